"""As much of JSON Schema as docs/trace.schema.json uses. An unknown keyword is an error: nothing of
the schema goes unchecked."""

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}
ANNOTATIONS = {"$schema", "$id", "title", "description", "$defs", "then", "else"}


class Schema:
    def __init__(self, root):
        self.root = root

    def errors(self, value, schema=None, at="$"):
        schema = self.root if schema is None else schema
        out = []
        for keyword, rule in schema.items():
            if keyword not in ANNOTATIONS:
                out += getattr(self, "check_" + keyword.lstrip("$"))(value, rule, schema, at)
        return out

    def check_ref(self, value, rule, schema, at):
        assert rule.startswith("#/$defs/"), rule
        return self.errors(value, self.root["$defs"][rule[len("#/$defs/"):]], at)

    def check_type(self, value, rule, schema, at):
        names = [rule] if isinstance(rule, str) else rule
        return [] if any(TYPES[n](value) for n in names) else ["%s: %r is no %s" % (at, value, rule)]

    def check_const(self, value, rule, schema, at):
        same = value == rule and type(value) is type(rule)
        return [] if same else ["%s: %r is not %r" % (at, value, rule)]

    def check_enum(self, value, rule, schema, at):
        return [] if value in rule else ["%s: %r is not one of %r" % (at, value, rule)]

    def check_minimum(self, value, rule, schema, at):
        ok = not TYPES["number"](value) or value >= rule
        return [] if ok else ["%s: %r is below %r" % (at, value, rule)]

    def check_maximum(self, value, rule, schema, at):
        ok = not TYPES["number"](value) or value <= rule
        return [] if ok else ["%s: %r is above %r" % (at, value, rule)]

    def check_required(self, value, rule, schema, at):
        missing = [k for k in rule if isinstance(value, dict) and k not in value]
        return ["%s: %s is missing" % (at, k) for k in missing]

    def check_properties(self, value, rule, schema, at):
        if not isinstance(value, dict):
            return []
        return [e for k in value if k in rule for e in self.errors(value[k], rule[k], at + "." + k)]

    def check_additionalProperties(self, value, rule, schema, at):
        assert rule is False
        known = schema["properties"] if isinstance(value, dict) else value
        return ["%s: %s is not known" % (at, k) for k in value if k not in known]

    def check_items(self, value, rule, schema, at):
        if not isinstance(value, list):
            return []
        return [e for i, v in enumerate(value) for e in self.errors(v, rule, "%s[%d]" % (at, i))]

    def check_oneOf(self, value, rule, schema, at):
        found = [self.errors(value, one, at) for one in rule]
        if sum(not errors for errors in found) == 1:
            return []
        return ["%s: fits %d of the forms: %s" % (at, sum(not e for e in found), min(found, key=len))]

    def check_if(self, value, rule, schema, at):
        branch = "else" if self.errors(value, rule, at) else "then"
        return self.errors(value, schema[branch], at)
