/** Targets of a suite, such as ">= 0.80", "< 2 s" or "≥ 95 %". */

export interface MetricTarget {
  operator: ">=" | "<=" | ">" | "<" | "==";
  /** In the metric's unit, except that a percentage is a share and seconds are ms. */
  value: number;
}

const TARGET = /^\s*(>=|<=|==|>|<|=|≥|≤)\s*(-?\d+(?:\.\d+)?|-?\.\d+)\s*(%|ms|s)?\s*$/;
const OPERATORS: { readonly [text: string]: MetricTarget["operator"] } = {
  ">=": ">=",
  "≥": ">=",
  "<=": "<=",
  "≤": "<=",
  ">": ">",
  "<": "<",
  "=": "==",
  "==": "==",
};

/** Undefined if the text is no target. */
export function parseTarget(text: string): MetricTarget | undefined {
  const [, sign = "", number = "", unit] = TARGET.exec(text) ?? [];
  const operator = OPERATORS[sign];
  if (operator === undefined) return undefined;
  const value = Number(number);
  return { operator, value: unit === "%" ? value / 100 : unit === "s" ? value * 1000 : value };
}

/** Whether a value meets a target; undefined if either is missing. */
export function meets(value: number | undefined, target: MetricTarget | undefined): boolean | undefined {
  if (value === undefined || target === undefined) return undefined;
  switch (target.operator) {
    case ">=":
      return value >= target.value;
    case "<=":
      return value <= target.value;
    case ">":
      return value > target.value;
    case "<":
      return value < target.value;
    case "==":
      return value === target.value;
  }
}
