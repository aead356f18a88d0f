import { expect, it } from "vitest";
import { simplify } from "./cumulative.js";

it("draws the points of a straight line as one line, and keeps its bends", () => {
  const straight = Array.from({ length: 101 }, (_, i): [number, number] => [2 * i, 3 * i]);
  expect(simplify(straight)).toEqual([
    [0, 0],
    [200, 300],
  ]);
  const bent = [...straight, ...straight.slice(1).map(([x]): [number, number] => [200 + x, 300])];
  expect(simplify(bent)).toEqual([
    [0, 0],
    [200, 300],
    [400, 300],
  ]);
  expect(simplify([])).toEqual([]);
});

it("never runs far from a point of a curve", () => {
  const curve = Array.from({ length: 101 }, (_, i): [number, number] => [i, 200 * Math.log10(1 + i / 10)]);
  const line = simplify(curve);
  expect(line.length).toBeLessThan(60);
  for (const [x, y] of curve) {
    const after = line.findIndex(([at]) => at >= x);
    const [to, from] = [line[after], line[Math.max(0, after - 1)]];
    if (!to || !from) throw new Error("the line ends early");
    const share = to[0] === from[0] ? 1 : (x - from[0]) / (to[0] - from[0]);
    const drawn = from[1] + share * (to[1] - from[1]);
    // 0.2 px across the line is at most this much upwards where it is steepest.
    expect(Math.abs(drawn - y)).toBeLessThan(2);
  }
});
