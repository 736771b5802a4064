// Where a row of a ragged step stands: read from the step buffer by the whole workgroup, every
// number checked against what there is. Needs common.glsl with GROUP.
struct Ragged {
  uint64_t row_begin, kv_length, page_begin, pages;
  uint sequences, capacity, page_tokens;
};

shared uint found_sequence;

// The keys that `row` sees (0: none, or numbers that make no sense) and where its pages begin.
void FindPlace(Ragged g, uint row, out uint keys, out uint first_page) {
  Ints begin = Ints(g.row_begin);
  uint s = 0xffffffffu;
  if (g.sequences <= 4u) {  // quicker than to meet at barriers
    for (uint i = g.sequences; i-- > 0u;) {
      if (begin.v[i] <= int(row) && int(row) < begin.v[i + 1u]) s = i;
    }
  } else {
    if (gl_LocalInvocationIndex == 0u) found_sequence = 0xffffffffu;
    barrier();
    for (uint i = gl_LocalInvocationIndex; i < g.sequences; i += GROUP) {
      if (begin.v[i] <= int(row) && int(row) < begin.v[i + 1u]) atomicMin(found_sequence, i);
    }
    barrier();
    s = found_sequence;
  }
  keys = 0u;
  first_page = 0u;
  if (s == 0xffffffffu) return;
  const int length = Ints(g.kv_length).v[s];
  const int after = begin.v[s + 1u] - int(row);  // rows from here to the last, itself included
  const int page = Ints(g.page_begin).v[s];
  if (length < after || page < 0 || uint(page) >= g.capacity) return;
  first_page = uint(page);
  const uint room = g.capacity - first_page;  // pages; page_tokens is at most 65536
  keys = uint(length - after + 1);
  if ((keys - 1u) / g.page_tokens >= room) keys = room * g.page_tokens;
}
