// The choices of a row in ascending order of (expert, place), whatever order they were given in.
struct Choice {
  int expert;  // before the first: -1
  uint place;
};
// False after the last: ids that are no experts are passed over.
bool NextChoice(Ints ids, uint used, uint experts, inout Choice last) {
  Choice next = Choice(0x7fffffff, 0u);
  for (uint i = 0u; i < used; ++i) {
    const int e = ids.v[i];
    const bool after = e > last.expert || (e == last.expert && i > last.place);
    if (e >= 0 && after && e < next.expert) next = Choice(e, i);
  }
  if (uint(next.expert) >= experts) return false;
  last = next;
  return true;
}
