/**
 * What agents ever wrote to their journals. A journal is removed when its result is acknowledged; so each gets a second
 * name (a hard link) in a folder of ours as soon as it appears, and everything that was written can be read for ever.
 *
 * Where the disk must really be freed there is no second name, and what was written between the last look and the
 * removal is missed.
 *
 * Read with this file's own eyes: nothing of the program's journal code is used.
 */
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { pause } from "./waiting.js";

/** One line. */
export interface Line {
  agent: string;
  /** Name of the attempt, `<epoch>.<n>`. */
  fence: string;
  campaign: string;
  job: string;
  shard: number;
  /** Ordinals only for begin and record. */
  kind: "attempt" | "begin" | "record" | "other";
  ordinal: number;
  /** Of the other kinds, what the journal calls it. */
  name: string;
  /** Which start of the agent wrote it, and on which lane the attempt runs. */
  incarnation: string;
  lane: string;
  /** Of a record: when the sample was due and when it had ended, ns of that start of the agent. */
  fromNs: number;
  toNs: number;
  /** When it was seen, wall ms: the beginning of that look at all journals. */
  seenMs: number;
}

interface Kept {
  agent: string;
  fence: string;
  path: string;
  at: number;
  rest: string;
  /** The agent has removed it, and all of it was read. */
  over: boolean;
  about: { campaign: string; job: string; shard: number; lane: string } | undefined;
  incarnation: string;
}

export class Journals {
  private readonly lines = new Map<string, Line[]>();
  private readonly kept = new Map<string, Kept>();
  private readonly removals = new Map<string, number>();
  private nowMs = 0;
  private links = 0;
  private watching = true;
  private readonly looks: Promise<void>;

  /**
   * Watches `<folder of an agent>/journal` of each. `keep` is where the second names are, on the same file system; none
   * are made without it.
   */
  constructor(
    private readonly folders: ReadonlyMap<string, string>,
    private readonly keep: string | undefined,
    private readonly everyMs = 5,
  ) {
    if (keep !== undefined) mkdirSync(keep, { recursive: true });
    this.looks = this.watch();
  }

  /** Reads what is there now. */
  look(): void {
    this.nowMs = Date.now();
    for (const [agent, folder] of this.folders) this.adopt(agent, join(folder, "journal"));
    for (const kept of this.kept.values()) if (!kept.over) this.read(kept);
  }

  /** Lines of a campaign, in the order in which they were seen. */
  of(campaign: string): Line[] {
    return this.lines.get(campaign) ?? [];
  }

  /** When the agent was seen to have removed an attempt's journal, wall ms; undefined while it is there. */
  removedMs({ agent, fence }: Pick<Line, "agent" | "fence">): number | undefined {
    return this.removals.get(`${agent} ${fence}`);
  }

  /** Samples of a campaign that have a record in some journal. */
  recorded(campaign: string): Set<string> {
    return new Set(this.of(campaign).flatMap((line) => (line.kind === "record" ? [sampleName(line)] : [])));
  }

  /** Files that agents still have, as `<agent>/<file>`. */
  left(): string[] {
    return [...this.folders].flatMap(([agent, folder]) =>
      names(join(folder, "journal")).map((name) => `${agent}/${name}`),
    );
  }

  async stop(): Promise<void> {
    this.watching = false;
    await this.looks;
    this.look();
  }

  private async watch(): Promise<void> {
    while (this.watching) {
      this.look();
      await pause(this.everyMs);
    }
  }

  private adopt(agent: string, folder: string): void {
    for (const name of names(folder)) {
      if (!name.endsWith(".jsonl")) continue;
      const path = join(folder, name);
      try {
        const inode = `${agent} ${name} ${statSync(path).ino}`;
        if (this.kept.has(inode)) continue;
        const fence = name.slice(0, -".jsonl".length);
        this.kept.set(inode, {
          agent,
          fence,
          path: this.secondName(path),
          at: 0,
          rest: "",
          over: false,
          about: undefined,
          incarnation: "",
        });
      } catch {
        // Removed between the listing and the link.
      }
    }
  }

  private secondName(path: string): string {
    if (this.keep === undefined) return path;
    this.links += 1;
    const link = join(this.keep, `${this.links}.jsonl`);
    linkSync(path, link);
    return link;
  }

  private read(kept: Kept): void {
    const { text, names } = textFrom(kept.path, kept.at);
    kept.over = names === (this.keep === undefined ? 0 : 1);
    if (kept.over) this.removals.set(`${kept.agent} ${kept.fence}`, this.nowMs);
    if (text === "") return;
    kept.at += Buffer.byteLength(text);
    const lines = (kept.rest + text).split("\n");
    kept.rest = lines.pop() ?? "";
    for (const line of lines) this.note(kept, line);
  }

  private note(kept: Kept, raw: string): void {
    const json = /^(?:[0-9a-f]{8} )?(\{.*\})$/.exec(raw)?.[1];
    if (json === undefined) return;
    const said = parsed(json);
    if (said === undefined) return;
    if (said.k === "attempt") {
      const assignment = typeof said.assignment === "string" ? JSON.parse(said.assignment) : said.assignment;
      const { shard, lane } = assignment as {
        shard: { campaign: string; job: string; index: number };
        lane: string;
      };
      kept.about = { campaign: shard.campaign, job: shard.job, shard: shard.index, lane };
      kept.incarnation = said.origin?.incarnation ?? "";
    }
    if (said.k === "resumed") kept.incarnation = said.incarnation ?? "";
    if (kept.about === undefined) return;
    const kind = said.k === "attempt" || said.k === "begin" || said.k === "record" ? said.k : "other";
    const ordinal = said.record?.ordinal ?? said.ordinal ?? -1;
    const lines = this.lines.get(kept.about.campaign) ?? [];
    this.lines.set(kept.about.campaign, lines);
    const { agent, fence, about, incarnation } = kept;
    const { scheduled: fromNs = 0, done: toNs = 0 } = said.record?.t_ns ?? {};
    const more = { incarnation, fromNs, toNs, seenMs: this.nowMs };
    lines.push({ agent, fence, ...about, kind, ordinal, name: said.k, ...more });
  }
}

interface Said {
  k: string;
  ordinal?: number;
  record?: { ordinal: number; t_ns?: { scheduled: number; done: number } };
  origin?: { incarnation: string };
  incarnation?: string;
  assignment?: unknown;
}

/** Undefined for what a crash tore. */
function parsed(json: string): Said | undefined {
  try {
    return JSON.parse(json) as Said;
  } catch {
    return undefined;
  }
}

export const sampleName = ({ job, ordinal }: { job: string; ordinal: number }): string => `${job}#${ordinal}`;

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * What a file has from `at` on, and how many names it had before that was read. Journals are ASCII but for answers,
 * which ours are, too.
 */
function textFrom(path: string, at: number): { text: string; names: number } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return { text: "", names: 0 };
  }
  try {
    const { nlink, size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.max(0, size - at));
    return { text: bytes.toString("utf8", 0, readSync(file, bytes, 0, bytes.length, at)), names: nlink };
  } finally {
    closeSync(file);
  }
}
