/**
 * Worked examples before each question. They are drawn here, once, and stand in the manifest with the item, so that an
 * agent needs nothing else and everybody can read what was asked.
 *
 * 1. An item is never its own example, nor is one that asks the same.
 * 2. The draw depends on the seed and the source alone: `fixed` gives every item the first `n` of one order, `per_item`
 *    an order of its own, seeded by its id.
 */
import type { Finding, LineOf } from "../benchmark/finding.js";
import { FindingList } from "../benchmark/finding.js";
import type { Item, Shot } from "../benchmark/item.js";
import { canonicalJson } from "../benchmark/json.js";
import { seededRandom } from "../benchmark/seeded.js";
import type { DatasetSpec, FewShot } from "../benchmark/suite/suite-types.js";
import { renderTemplate } from "../benchmark/template.js";
import { type ResolveOptions, resolveDataset } from "../datasets/resolve-dataset.js";
import { errorText } from "../runtime/errors.js";

/** Most items the examples are drawn from. */
const MAX_POOL = 1_000;

export type AddShots = (item: Item) => Item;

/** What puts examples before a dataset's items; undefined when it cannot be done, and the findings say why. */
export async function fewShots(
  fewshot: FewShot,
  spec: DatasetSpec,
  options: ResolveOptions,
  lineOf: LineOf,
): Promise<{ add?: AddShots; findings: Finding[] }> {
  const findings = new FindingList(lineOf);
  const { seed } = fewshot;
  const { ids: _ids, ...source } = spec;
  const pool = await resolveDataset(
    {
      ...source,
      sample: { n: MAX_POOL, seed },
      ...(fewshot.split !== undefined && { split: fewshot.split }),
    },
    { ...options, quiet: true },
  );
  const from =
    fewshot.split === undefined ? `dataset ${spec.id}` : `the split ${fewshot.split} of dataset ${spec.id}`;
  const refuse = (message: string, hint: string) => {
    findings.error(fewshot.field, `${from} ${message}`, hint);
    return { findings: findings.all };
  };
  const examples: Example[] = [];
  for (const item of pool.items) {
    if (item.media.length > 0) return refuse("has pictures", "examples are texts; leave fewshot out");
    if (item.target === undefined) continue;
    try {
      examples.push({ id: item.id, content: contentOf(item), shot: shotOf(item, item.target, fewshot) });
    } catch (error) {
      return refuse(
        `has no example of ${item.id}: ${errorText(error)}`,
        "target_template sees target and columns",
      );
    }
  }
  if (examples.length <= fewshot.n)
    return refuse(
      `has ${examples.length} items with a target; ${fewshot.n} examples besides the item itself need more`,
      "lower fewshot.n, or name a split with more",
    );
  const order = shuffled(examples, seed);
  return {
    findings: [],
    add: (item) => {
      const content = contentOf(item);
      const own = fewshot.mode === "fixed" ? order : shuffled(examples, seed ^ numberOf(item.id));
      const others = own.filter(
        (each) => each.content !== content && (each.id !== item.id || fewshot.split !== undefined),
      );
      return { ...item, shots: others.slice(0, fewshot.n).map(({ shot }) => shot) };
    },
  };
}

interface Example {
  id: string;
  content: string;
  shot: Shot;
}

const contentOf = ({ input, vars }: Item): string =>
  canonicalJson({ input: input ?? null, vars: vars ?? {} });

function shotOf({ input, vars, id }: Item, target: string, { targetTemplate }: FewShot): Shot {
  const answer = renderTemplate(targetTemplate, {
    id,
    media: [],
    ...(input !== undefined && { input }),
    vars: { ...vars, target },
  });
  return { ...(input !== undefined && { input }), ...(vars && { vars }), answer };
}

/** Seeded Fisher–Yates. */
function shuffled<T>(values: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [order[i], order[j]];
    if (a === undefined || b === undefined) continue;
    order[i] = b;
    order[j] = a;
  }
  return order;
}

/** FNV-1a of a text, 31 bits. */
function numberOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 1;
}
