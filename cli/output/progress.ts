/**
 * How a running campaign is shown on stderr. On a terminal a few lines are redrawn in place; elsewhere (a file, CI)
 * a line is written when the state or a job changes, and otherwise every 10 seconds, so that logs stay short.
 */
import { type Campaign, CampaignState, type JobProgress } from "../client.js";
import type { Context } from "../context.js";
import { type Paint, painter } from "./color.js";
import { formatDuration } from "./quantity.js";
import { clip, pad } from "./width.js";
import { campaignState, waitingReasons } from "./words.js";

const PLAIN_INTERVAL_MS = 10_000;
const REDRAW_INTERVAL_MS = 100;
const MAX_JOB_LINES = 12;
const BAR = 24;

export interface Progress {
  update(campaign: Campaign): void;
  /** Text for the reader, above whatever is redrawn. */
  note(text: string): void;
  /** Leaves the last state on the screen and stops drawing. */
  end(): void;
}

/** The renderer for this terminal and these flags. */
export function createProgress(context: Context): Progress {
  const { flags, io } = context;
  const mode = flags.progress === "auto" ? (io.errIsTty ? "tty" : "plain") : flags.progress;
  if (flags.quiet) return { update: () => {}, note: () => {}, end: () => {} };
  const note = (text: string) => io.err(`${text}\n`);
  if (mode === "none") return { update: () => {}, note, end: () => {} };
  const now = () => io.clock.nowMs();
  if (mode === "plain") return plainProgress((line) => io.err(`${line}\n`), now);
  const paint = painter(flags.color && io.errIsTty);
  return ttyProgress(
    (text) => io.err(text),
    now,
    () => io.columns(),
    paint,
  );
}

/** A line per change of state or of a job's state, else one every 10 s. */
export function plainProgress(line: (text: string) => void, now: () => number): Progress {
  const startMs = now();
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastKey = "";
  return {
    update(campaign) {
      const key = [campaign.state, ...stalled(campaign), ...campaign.jobs.map((j) => j.state)].join(" ");
      const at = now();
      if (key === lastKey && at - lastMs < PLAIN_INTERVAL_MS) return;
      lastKey = key;
      lastMs = at;
      line(totalsLine(campaign, at - startMs));
    },
    note: line,
    end() {},
  };
}

/** Redraws in place at most every 100 ms; `end` draws the newest state once more. */
export function ttyProgress(
  write: (text: string) => void,
  now: () => number,
  columns: () => number,
  paint: Paint,
): Progress {
  const startMs = now();
  let drawn = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  let pending: Campaign | undefined;
  let last: Campaign | undefined;
  const draw = (campaign: Campaign) => {
    const width = Math.max(20, columns() - 1);
    const lines = progressLines(campaign, now() - startMs, width, paint);
    const up = drawn === 0 ? "" : `\u001b[${drawn}A`;
    write(`${up}${lines.map((l) => `\u001b[2K${l}\n`).join("")}\u001b[0J`);
    drawn = lines.length;
    lastMs = now();
    pending = undefined;
  };
  return {
    update(campaign) {
      last = campaign;
      if (now() - lastMs >= REDRAW_INTERVAL_MS) draw(campaign);
      else pending = campaign;
    },
    note(text) {
      const up = drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`;
      write(`${up}${text}\n`);
      drawn = 0;
      if (last) draw(last);
    },
    end() {
      if (pending) draw(pending);
    },
  };
}

/** Totals, then one bar a job (the first twelve that are not finished when there are more). */
export function progressLines(campaign: Campaign, elapsedMs: number, width: number, paint: Paint): string[] {
  const all = campaign.jobs;
  const open = all.filter((j) => (j.progress?.samplesDone ?? 0) < (j.progress?.samples ?? 0));
  const shown = all.length <= MAX_JOB_LINES ? all : open.slice(0, MAX_JOB_LINES);
  const nameOf = (j: JobProgress) => [j.model, j.prompt, j.dataset].join(" · ");
  const lines = shown.map((job) => {
    const { samples = 0, samplesDone = 0, samplesFailed = 0 } = job.progress ?? {};
    const failed = samplesFailed > 0 ? ` ${samplesFailed} failed` : "";
    const count = pad(`${samplesDone}/${samples}`, 9, "right");
    const nameWidth = Math.max(1, width - BAR - count.length - failed.length - 3);
    return `${bar(samplesDone, samples, paint)} ${count}  ${clip(nameOf(job), nameWidth)}${paint(failed, "red")}`;
  });
  if (all.length > shown.length) lines.push(paint(`… ${all.length - shown.length} more jobs`, "dim"));
  return [...lines, clip(totalsLine(campaign, elapsedMs), width)];
}

/** One line such as `running: 42/180 samples, 3 failed, 12 s`. */
export function totalsLine(campaign: Campaign, elapsedMs: number): string {
  const { samples = 0, samplesDone = 0, samplesFailed = 0 } = campaign.progress ?? {};
  const parts = [
    samples > 0 ? `${samplesDone}/${samples} ${samples === 1 ? "sample" : "samples"}` : "planning",
  ];
  if (samplesFailed > 0) parts.push(`${samplesFailed} failed`);
  parts.push(formatDuration(elapsedMs));
  parts.push(...stalled(campaign));
  return `${campaignState(campaign.state)}: ${parts.join(", ")}`;
}

/** Why nothing happens, while nothing happens; that some shards wait behind others is the ordinary course. */
function stalled(campaign: Campaign): string[] {
  const running = campaign.progress?.samplesRunning ?? 0;
  return campaign.state === CampaignState.RUNNING && running === 0 ? waitingReasons(campaign.waiting) : [];
}

function bar(done: number, all: number, paint: Paint): string {
  const full = all === 0 ? 0 : Math.min(BAR, Math.floor((done / all) * BAR));
  return paint("█".repeat(full), "cyan") + paint("░".repeat(BAR - full), "dim");
}
