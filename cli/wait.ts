/**
 * Waiting for a campaign. The wait watches the stream and outlives a coordinator that goes away for a while (see
 * reconnect.ts). Ctrl-C and a timeout end the wait, never the campaign, and say so.
 */

import { SaiError } from "../shared/runtime/errors.js";
import { type Campaign, CampaignState, type Client } from "./client.js";
import type { Context } from "./context.js";
import { CliExit, EXIT, type ExitCode } from "./exit.js";
import { createProgress } from "./output/progress.js";
import { campaignState, isTerminal, waitingReasons } from "./output/words.js";
import { reconnecting } from "./reconnect.js";

const STALL_NOTICE_MS = 5000;

export interface WaitLimits {
  /** For the whole wait; absent: none. */
  timeoutMs?: number | undefined;
  /** How long nothing of it may run for want of a node that can; absent: for ever, a node may still join. */
  stalledMs?: number | undefined;
  /** After how long of that the wait says so, once; default 5 s. */
  noticeMs?: number | undefined;
}

/**
 * The campaign in its terminal state; `known` is what was seen of it before. Throws CliExit 3 when the timeout passed,
 * 130 when interrupted, and failed_precondition when it was stalled too long.
 */
export async function waitForEnd(
  context: Context,
  client: Client,
  id: string,
  { timeoutMs, stalledMs, noticeMs = STALL_NOTICE_MS }: WaitLimits = {},
  known?: Campaign,
): Promise<Campaign> {
  const { clock, interrupt } = context.io;
  const timeUp = new AbortController();
  const cancelTimer = timeoutMs === undefined ? () => {} : clock.after(timeoutMs, () => timeUp.abort());
  const progress = createProgress(context);
  const again = reconnecting(context, `still waiting for ${id}`, {
    note: (text) => progress.note(text),
    end: timeUp.signal,
  });
  let last = known;
  const stall = stallTimer(context, stalledMs, () => timeUp.abort());
  // Whoever waits for a node should know that, and that the wait has no end of its own.
  const notice = stallTimer(context, stalledMs === undefined ? noticeMs : undefined, () =>
    progress.note(
      `waiting: ${waitingReasons(last?.waiting ?? []).join("; ")}\nhint: a node that can run it may still join; Ctrl-C or --timeout ends the wait`,
    ),
  );
  try {
    while (!timeUp.signal.aborted) {
      try {
        for await (const campaign of client.watchCampaign(id, timeUp.signal)) {
          last = campaign;
          again.answered();
          progress.update(campaign);
          stall.update(campaign.waiting.length > 0);
          notice.update(campaign.waiting.length > 0);
          if (isTerminal(campaign.state)) return campaign;
        }
        if (!timeUp.signal.aborted) await again.pause();
      } catch (error) {
        // A coordinator that was never there is a mistake in the address, not a restart.
        if (last === undefined) throw error;
        await again.failed(error);
      }
    }
    if (stall.over()) {
      throw new SaiError(
        "failed_precondition",
        `nothing here can run it: ${waitingReasons(last?.waiting ?? []).join("; ")}`,
        {
          hint: "`sai doctor` shows which engines this machine has",
        },
      );
    }
    throw new CliExit(
      EXIT.waitTimedOut,
      `campaign ${id} is still ${last ? campaignState(last.state) : "waiting"}`,
      {
        hint: `it goes on; \`sai campaign wait ${id}\` waits again`,
      },
    );
  } catch (error) {
    if (!interrupt.aborted) throw error;
    throw new CliExit(EXIT.interrupted, "", {
      hint: `campaign ${id} goes on; \`sai campaign cancel ${id}\` stops it`,
    });
  } finally {
    cancelTimer();
    stall.update(false);
    notice.update(false);
    progress.end();
  }
}

/** Calls `end`, once, when `update(true)` was not followed by `update(false)` for `ms`. */
function stallTimer(context: Context, ms: number | undefined, end: () => void) {
  let cancel: (() => void) | undefined;
  let over = false;
  return {
    over: () => over,
    update(stalled: boolean): void {
      if (!stalled) {
        cancel?.();
        cancel = undefined;
      } else if (ms !== undefined && !over) {
        cancel ??= context.io.clock.after(ms, () => {
          over = true;
          end();
        });
      }
    },
  };
}

/** 0 for a campaign that succeeded, 5 when samples failed, 6 when it was cancelled or its budget was reached. */
export function exitCodeOfEnd({ state, stoppedBy }: Pick<Campaign, "state" | "stoppedBy">): ExitCode {
  if (state === CampaignState.SUCCEEDED) return EXIT.ok;
  if (state === CampaignState.CANCELLED || stoppedBy !== "") return EXIT.incomplete;
  return EXIT.failures;
}

/** One line for the end of a campaign. */
export function endLine(campaign: Campaign): string {
  const { samples = 0, samplesDone = 0, samplesFailed = 0 } = campaign.progress ?? {};
  const failed = samplesFailed > 0 ? `, ${samplesFailed} failed` : "";
  const noun = samples === 1 ? "sample" : "samples";
  const reason = campaign.reason === "" ? "" : `: ${campaign.reason}`;
  return `campaign ${campaign.id} ${campaignState(campaign.state)}${reason} (${samplesDone}/${samples} ${noun}${failed})`;
}
