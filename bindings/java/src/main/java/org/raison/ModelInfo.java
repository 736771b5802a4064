package org.raison;

/**
 * What a model is.
 *
 * @param contextLength tokens, the model's own limit
 * @param architecture "deepseek_v3", "llama", "qwen2"
 * @param name the model's name
 * @param path of the file or folder; "memory" for a model loaded from bytes
 * @param type the element type that most weights have: "Q4_K"
 * @param device the device that it was loaded on
 * @param chatTemplate empty: none
 * @param parameters all of them
 * @param activeParameters that one token meets
 * @param fileBytes size of the file or files
 * @param weightBytes memory that the weights take
 * @param kvBytesPerToken of one session's cache
 * @param kvBytesLimit of all sessions' caches
 * @param kvBytesUsed now
 * @param passes forward passes since it was loaded
 * @param tensors tensors in the file
 * @param vocabulary tokens that it knows
 * @param layers layers
 * @param hidden width of a token between layers
 * @param heads heads of attention
 * @param kvHeads 1 for a shared latent
 * @param experts routed experts of a layer; 0: a dense model
 * @param expertsUsed per token
 * @param expertsShared always used
 * @param denseLayers leading layers without experts
 * @param threads threads that it uses
 * @param bosToken -1: none
 * @param eosToken -1: none
 * @param thinkBeginToken -1: none, or more than one token
 * @param thinkEndToken -1: none, or more than one token
 * @param temperature what an unset temperature becomes
 * @param topP what an unset top_p becomes
 * @param minP what an unset min_p becomes
 * @param repetitionPenalty what an unset penalty becomes
 * @param topK what an unset top_k becomes
 * @param samplingFromFile whether the file recommends one of them
 */
public record ModelInfo(
    int contextLength,
    String architecture,
    String name,
    String path,
    String type,
    String device,
    String chatTemplate,
    long parameters,
    long activeParameters,
    long fileBytes,
    long weightBytes,
    long kvBytesPerToken,
    long kvBytesLimit,
    long kvBytesUsed,
    long passes,
    long tensors,
    int vocabulary,
    int layers,
    int hidden,
    int heads,
    int kvHeads,
    int experts,
    int expertsUsed,
    int expertsShared,
    int denseLayers,
    int threads,
    int bosToken,
    int eosToken,
    int thinkBeginToken,
    int thinkEndToken,
    float temperature,
    float topP,
    float minP,
    float repetitionPenalty,
    int topK,
    boolean samplingFromFile) {
  /** One line: the template and the rest are members. */
  @Override
  public String toString() {
    return name + " (" + architecture + ", " + type + ")";
  }

  static ModelInfo of(byte[] record) {
    RecordReader r = new RecordReader(record);
    return r.end(
        new ModelInfo(
            r.int32(),
            r.text(),
            r.text(),
            r.text(),
            r.text(),
            r.text(),
            r.text(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.int32(),
            r.float32(),
            r.float32(),
            r.float32(),
            r.float32(),
            r.int32(),
            r.bool()));
  }
}
