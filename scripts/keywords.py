# Writes Keyword.swift and KeywordLookup.swift from the keyword list of PostgreSQL: lines "word|class|bare label" as
# printed by SELECT word, catcode, barelabel FROM pg_get_keywords().
import sys
src, out = sys.argv[1], sys.argv[2]
swift = set("""associatedtype class deinit enum extension fileprivate func import init inout internal let open operator private
precedencegroup protocol public rethrows static struct subscript typealias var break case catch continue default defer do else
fallthrough for guard if in repeat return throw switch where while Any as await catch false is nil rethrows self Self super throw
throws true try""".split())
rows = [l.strip().split("|") for l in open(src) if l.strip()]
def camel(w):
    p = w.split("_")
    return p[0] + "".join(x.capitalize() for x in p[1:])
def decl(w):
    c = camel(w)
    return f"`{c}`" if c in swift else c
groups = [("R", "Reserved: never a name, save after AS and as a label."),
          ("T", "Names of types and functions, not of columns and tables."),
          ("C", "Names of columns and tables, not of types and functions."),
          ("U", "Unreserved.")]
o = []
w = o.append
w("""// The keywords of PostgreSQL 15 and their classes (SQL standard reserved or not plays no part; PostgreSQL's four classes do).
// Written by scripts/keywords.py from pg_get_keywords(); the lookup is KeywordLookup.swift.

/// A keyword, or `.identifier`. Ordered by class, so that a class is a range of raw values.
package enum Keyword: UInt16, Sendable {
    /// No keyword.
    case identifier
""")
firsts = {}
for g, title in groups:
    w(f"    // {title}")
    words = sorted(r[0] for r in rows if r[1] == g)
    firsts[g] = (decl(words[0]), decl(words[-1]))
    line = "    case "
    first = True
    for x in words:
        item = decl(x)
        if not first and len(line) + len(item) + 2 > 116:
            w(line)
            line = "    case " + item
        else:
            line += ("" if first or line.endswith("case ") else ", ") + item
        first = False
    w(line)
    w("")
o.pop()
nobare = sorted(r[0] for r in rows if r[2] == "f")
w("}")
w("")
def dot(d): return "Keyword." + d.strip("`")
w(f"""extension Keyword {{
    package var isReserved: Bool {{ rawValue >= {dot(firsts['R'][0])}.rawValue && rawValue <= {dot(firsts['R'][1])}.rawValue }}

    /// May name a column, table or other object (ColId).
    @inline(__always) package var isColumnName: Bool {{
        self == .identifier || rawValue >= {dot(firsts['C'][0])}.rawValue
    }}

    /// May name a function or type (type_function_name).
    @inline(__always) package var isTypeOrFunctionName: Bool {{
        self == .identifier || rawValue >= {dot(firsts['U'][0])}.rawValue
            || (rawValue >= {dot(firsts['T'][0])}.rawValue && rawValue <= {dot(firsts['T'][1])}.rawValue)
    }}

    /// Unreserved: printable without quotes anywhere.
    package var isUnreserved: Bool {{ rawValue >= {dot(firsts['U'][0])}.rawValue }}

    /// May label a result column without AS (BareColLabel).
    package var isBareLabel: Bool {{
        switch self {{""")
line = "        case "
for i, x in enumerate(nobare):
    item = "." + camel(x) + ("," if i + 1 < len(nobare) else ":")
    if len(line) + len(item) + 1 > 116:
        w(line.rstrip())
        line = "            "
    line += item + " "
w(line.rstrip())
w("""            false
        default: true
        }
    }
}""")
open(out + "/Keyword.swift", "w").write("\n".join(o) + "\n")
o.clear()
w("""// Finds keywords. Words compare as integers: `head` is the first eight bytes of the folded word, `tail` its last eight (both
// little-endian; `head` is zero padded). Written by scripts/keywords.py. A switch, so that it needs no table in memory.

extension Keyword {
    /// The keyword of `count` lower-case bytes, or `.identifier`. `middle` is the byte at index 8, which head and tail of the
    /// one word of seventeen letters leave out.
    static func lookup(count: Int, head: UInt64, tail: UInt64, middle: UInt8) -> Keyword {
        switch count {""")
by = {}
for r in rows: by.setdefault(len(r[0]), []).append(r[0])
def le(b): return int.from_bytes(b.encode(), "little")
for n in sorted(by):
    if n <= 8:
        w(f"        case {n}: lookup{n}(head)")
    elif n <= 16:
        w(f"        case {n}: lookup{n}(head, tail)")
    else:
        w(f"        case {n}: middle == UInt8(ascii: \"t\") ? lookup{n}(head, tail) : .identifier")
w("        default: .identifier\n        }\n    }\n")
for n in sorted(by):
    if n > 17: raise SystemExit("too long")
    sig = "(_ head: UInt64)" if n <= 8 else "(_ head: UInt64, _ tail: UInt64)"
    w(f"    private static func lookup{n}{sig} -> Keyword {{")
    w(f"        switch {'head' if n <= 8 else 'tail'} {{")
    for x in sorted(by[n]):
        if n <= 8: w(f"        case 0x{le(x):x}: .{camel(x)}")
        else: w(f"        case 0x{le(x[-8:]):x} where head == 0x{le(x[:8]):x}: .{camel(x)}")
    w("        default: .identifier\n        }\n    }\n")
o[-1] = o[-1].rstrip("\n")
w("}")
open(out + "/KeywordLookup.swift", "w").write("\n".join(o) + "\n")
