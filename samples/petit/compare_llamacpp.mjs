// Compares greedy tokens of llama.cpp and of Raison on the same GGUF, 20 questions. A development tool:
//
//   npm install node-llama-cpp@3.22.1 --ignore-scripts      (in a scratch folder, which holds this script's copy)
//   node compare_llamacpp.mjs petit-q8_0.gguf path/to/raison [THREADS]
//
// llama.cpp's tokens come from node-llama-cpp's prebuilt library. Raison's come from `raison run --json`,
// whose TOKEN events carry ids. Both start from the same prompt ids (`raison tokenize` is compared with
// llama.cpp's tokenizer on the way). Exit status 1 if any answer differs in text after </think>; token
// differences are printed with their place, since two engines round differently where margins are small.
import {execFileSync} from "node:child_process";
import {getLlama} from "node-llama-cpp";

const [,, file, raison, threads = "2"] = process.argv;
const questions = [
  "How many r's are in strawberry?", "What is 347 + 589?", "Solve 3x + 7 = 22.", "What is 15% of 60?", "gcd(84, 36)",
  "Is 97 prime?", "Sort 41, 7, 99, 23 from smallest to largest.", "Spell forest backwards.", "What is 48 * 27?",
  "What is 1001 divided by 7?", "Write 45 in binary.", "Which is bigger, 9.11 or 9.9?", "What is 1/2 + 1/3?",
  "Ana has 5 apples. Ben has 3 times as many apples as Ana. How many apples do they have in total?",
  "Tom is taller than Eva. Eva is taller than Sam. Who is the tallest?", "Today is Monday. What day will it be in 10 days?",
  "It is 14:35. What time will it be in 2 hours and 40 minutes?", "What comes next: 3, 7, 11, 15?",
  "Make 24 from 2, 3, 4 using +, - and ×, each number once.", "What is the capital of France?",
];

const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: +threads});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
let same = 0, sameAnswer = 0, tokens = 0;
for (const question of questions) {
  const prompt = model.tokenize(`<｜begin▁of▁sentence｜><｜User｜>${question}<｜Assistant｜><think>\n`, true);
  const context = await model.createContext({contextSize: 1024, threads: +threads});
  const theirs = [];
  for await (const token of context.getSequence().evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
    if (model.isEogToken(token) || theirs.length >= 600) break;
    theirs.push(token);
  }
  await context.dispose();
  const events = execFileSync(raison, ["run", "--model", file, "--temperature", "0", "--max-tokens", "600", "--json", question], {encoding: "utf8"})
    .split("\n").filter(Boolean).map(line => JSON.parse(line));
  const ours = events.filter(event => event.event === "token").map(event => event.token).filter(token => !model.isEogToken(token));
  const answer = list => model.detokenize(list, true).split("</think>").pop().trim();
  const at = theirs.findIndex((token, i) => token !== ours[i]);
  const equal = at < 0 && theirs.length === ours.length;
  same += equal;
  sameAnswer += answer(theirs) === answer(ours);
  tokens += theirs.length;
  if (!equal) console.log(`${question}\n  differs at token ${at < 0 ? Math.min(theirs.length, ours.length) : at}: llama.cpp ${JSON.stringify(answer(theirs))}, raison ${JSON.stringify(answer(ours))}`);
}
console.log(`${same} of ${questions.length} answers token for token, ${sameAnswer} with the same answer line; ${tokens} tokens`);
process.exit(sameAnswer === questions.length ? 0 : 1);
