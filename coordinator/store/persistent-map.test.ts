import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { between, compareKeys, find, insert, remove, type Tree } from "./persistent-map.js";

const utf8 = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

test("keys order as their UTF-8 bytes do", () => {
  const unit = fc.constantFrom("a", "b", "/", "é", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}");
  const key = fc.array(unit, { maxLength: 4 }).map((units) => units.join(""));
  holdsFor(
    "order",
    fc.property(key, key, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Math.sign(utf8(a, b)));
    }),
    2_000,
  );
});

test("any edits: the map is what a sorted list would be, and every older root is what it was", () => {
  // Few distinct keys, so that they are replaced and removed as well; runs of neighbours, so that nodes fill and empty.
  const key = fc.nat(600).map((n) => `/k/${String(n).padStart(4, "0")}${n % 97 === 0 ? "\u{10000}" : ""}`);
  const change = fc.oneof(
    fc.record({ put: key }),
    fc.record({ del: key }),
    fc.record({ run: fc.nat(500), length: fc.nat(150), del: fc.boolean() }),
  );
  holdsFor(
    "map",
    fc.property(fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 12 }), key, key, (edits, a, b) => {
      let tree: Tree<string>;
      const model = new Map<string, string>();
      const versions: { tree: Tree<string>; was: [string, string][] }[] = [];
      const put = (k: string, edit: number) => {
        tree = insert(tree, k, `${k}=${edit}`, edit);
        model.set(k, `${k}=${edit}`);
      };
      const del = (k: string, edit: number) => {
        tree = remove(tree, k, edit);
        model.delete(k);
      };
      edits.forEach((changes, edit) => {
        for (const c of changes) {
          if ("put" in c) put(c.put, edit);
          else if ("run" in c) {
            for (let n = c.run; n < c.run + c.length; n++) {
              (c.del ? del : put)(`/k/${String(n).padStart(4, "0")}`, edit);
            }
          } else del(c.del, edit);
        }
        versions.push({ tree, was: [...model].sort(([x], [y]) => utf8(x, y)) });
      });
      const [from, to] = utf8(a, b) < 0 ? [a, b] : [b, a];
      for (const { tree: then, was } of versions) {
        expect([...between(then, "")]).toEqual(was.map(([, v]) => v));
        const inside = was.filter(([k]) => utf8(from, k) <= 0 && utf8(k, to) < 0);
        expect([...between(then, from, to)]).toEqual(inside.map(([, v]) => v));
        expect(find(then, a)).toBe(was.find(([k]) => k === a)?.[1]);
      }
    }),
    300,
  );
});
