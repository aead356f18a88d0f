/** Where a process spends its time: V8's sampling profiler over a window, summed up by line of the source. */
import { writeFileSync } from "node:fs";
import type { Runtime } from "node:inspector";
import { Session } from "node:inspector/promises";
import { findSourceMap } from "node:module";

/** One line of a profile: a function, and the share of the window in which it ran itself. */
export interface HotLine {
  share: number;
  what: string;
}

const SAMPLE_US = 200;

/**
 * Starts profiling this thread; the answer ends it and gives the `most` hottest functions. The whole profile goes to
 * `file`, for a browser's developer tools.
 */
export async function profile(most: number, file: string): Promise<() => Promise<HotLine[]>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  await session.post("Profiler.start");
  return async () => {
    const { profile: seen } = await session.post("Profiler.stop");
    session.disconnect();
    writeFileSync(file, JSON.stringify(seen));
    const selfUs = new Map<number, number>();
    seen.samples?.forEach((id, i) => {
      selfUs.set(id, (selfUs.get(id) ?? 0) + (seen.timeDeltas?.[i] ?? 0));
    });
    const byWhat = new Map<string, number>();
    let allUs = 0;
    for (const { id, callFrame } of seen.nodes) {
      const us = selfUs.get(id) ?? 0;
      allUs += us;
      if (callFrame.functionName === "(idle)") continue;
      const what = `${callFrame.functionName === "" ? "(anonymous)" : callFrame.functionName}${placeOf(callFrame)}`;
      byWhat.set(what, (byWhat.get(what) ?? 0) + us);
    }
    return [...byWhat]
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([what, us]) => ({ what, share: us / allUs }));
  };
}

/** ` folder/file:line` of the source; what runs may be one line that tsx made of it. */
function placeOf({ url, lineNumber, columnNumber }: Runtime.CallFrame): string {
  if (url === "") return "";
  const entry = findSourceMap(url)?.findEntry(lineNumber, columnNumber);
  const line = entry && "originalLine" in entry ? entry.originalLine : lineNumber;
  const file = url.replace(/^.*\/(?=(?:[^/]+\/){2}[^/]+$)/, "").replace(/\?.*$/, "");
  return ` ${entry ? file.replace(/\.js$/, ".ts") : file}:${line + 1}`;
}
