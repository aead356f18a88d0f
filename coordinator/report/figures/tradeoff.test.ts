import { describe, expect, it } from "vitest";
import { paretoFront, type TradeoffPoint } from "./tradeoff.js";

const point = (label: string, x: number, y: number): TradeoffPoint => ({
  label,
  look: { color: 0, shape: "circle", dash: "" },
  simulated: false,
  x,
  y,
  interval: undefined,
  hint: label,
});
const points = [
  point("slow good", 9, 0.9),
  point("fast poor", 1, 0.4),
  point("beaten", 5, 0.3),
  point("middle", 4, 0.8),
];

describe("paretoFront", () => {
  it("keeps what no other beats in both, fastest first", () => {
    expect(paretoFront(points, true).map((p) => p.label)).toEqual(["fast poor", "middle", "slow good"]);
  });
  it("turns round where lower is better", () => {
    expect(paretoFront(points, false).map((p) => p.label)).toEqual(["fast poor", "beaten"]);
  });
  it("keeps equals", () => {
    expect(paretoFront([point("a", 1, 1), point("b", 1, 1)], true)).toHaveLength(2);
  });
});
