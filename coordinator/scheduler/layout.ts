/** Who has work in a pool, and for what: it changes when a queue comes or goes, not with what is in it. */
import type { Pool } from "./lanes.js";
import type { Campaign, Queue, Requirement } from "./queues.js";

export class Layout {
  readonly models: readonly string[];
  readonly rows: { campaign: Campaign; cells: Cell[] }[] = [];
  readonly requirements: readonly Requirement[];
  readonly rowOf = new Map<Campaign, number>();
  readonly cellOf = new Map<Queue, Cell>();
  private cells = 0;

  constructor(pool: Pool) {
    const { queues } = pool.queues;
    this.models = [...pool.demand.keys()].sort();
    this.requirements = [...new Set(queues.map(({ requirement }) => requirement))];
    for (const queue of queues) this.add(queue);
  }

  /** How many campaigns have work for how many models, each. */
  get size(): number {
    return this.cells;
  }

  private add(queue: Queue): void {
    const { campaign, requirement } = queue;
    const at = this.rowOf.get(campaign) ?? this.rows.push({ campaign, cells: [] }) - 1;
    this.rowOf.set(campaign, at);
    const model = this.models.indexOf(requirement.affinity);
    const own = this.rows[at]?.cells;
    const cell = own?.find((c) => c.model === model) ?? { at: this.cells++, model, queues: [] };
    if (cell.queues.length === 0) own?.push(cell);
    cell.queues.push(queue);
    this.cellOf.set(queue, cell);
  }
}

/** Work of a campaign for a model. */
interface Cell {
  readonly at: number;
  /** Which of the models. */
  readonly model: number;
  readonly queues: Queue[];
}
