/**
 * The history of leases as an agent's log tells it, over all its starts: what is leased is nobody else's, everything leased is
 * freed or dirty in the end. What was in the making when the agent was killed may be missing in it.
 */
export interface LogLine {
  msg: string;
  [key: string]: unknown;
}

export interface History {
  wrong: string[];
  leased: number;
  freed: number;
  /** Leases of before that a start found on the disk. */
  found: number;
  dirty: number;
  /** Leases that were not freed so far. */
  open: number;
}

interface Open {
  gpus: readonly string[];
  part: boolean;
}

export function historyOf(lines: readonly LogLine[]): History {
  const history: History = { wrong: [], leased: 0, freed: 0, found: 0, dirty: 0, open: 0 };
  let open = new Map<string, Open>();
  let before = new Map<string, Open>();
  for (const line of lines) {
    const lease = String(line["lease"] ?? "");
    const gpus = (line["gpus"] ?? []) as string[];
    switch (line.msg) {
      case "GPUs leased": {
        history.leased += 1;
        const part = (line["wish"] as { kind?: string } | undefined)?.kind === "part";
        for (const [other, held] of open) {
          const both = held.gpus.filter((uuid) => gpus.includes(uuid));
          if (both.length > 0 && !(part && held.part))
            history.wrong.push(`${lease} and ${other} both have ${both}`);
        }
        if (open.has(lease) || before.has(lease)) history.wrong.push(`${lease} is leased twice`);
        open.set(lease, { gpus, part });
        break;
      }
      case "GPUs freed":
        history.freed += 1;
        if (!open.delete(lease)) history.wrong.push(`${lease} is freed and was not leased`);
        break;
      case "a lease of an earlier start is being freed":
        history.found += 1;
        open.set(lease, before.get(lease) ?? { gpus, part: false });
        break;
      case "a GPU is dirty":
        history.dirty += 1;
        break;
      case "a lease ended with something left on its GPUs":
        if (!open.delete(lease)) history.wrong.push(`${lease} ends and was not leased`);
        break;
      case "leases are open":
        // A start: what it does not find on the disk was freed as the one before died.
        before = new Map([...before, ...open]);
        open = new Map();
    }
  }
  history.open = open.size;
  for (const [lease, { gpus }] of open) history.wrong.push(`${lease} of ${gpus} is leased for ever`);
  return history;
}
