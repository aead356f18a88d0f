import type { EventServiceServer } from "../../shared/gen/sai/v1/event.js";
import { type CallObserver, streaming } from "../../shared/rpc/serve.js";
import type { EventLog } from "../events.js";

/**
 * sai.v1.EventService. Numbers are those of one epoch: whoever asks with the number of an earlier one gets everything
 * that is kept of this one, and sees by the events' epoch that it begins anew.
 */
export const eventService = (events: EventLog, epoch: bigint, calls: CallObserver): EventServiceServer => ({
  streamEvents: streaming(calls, async function* (request, signal) {
    const since = request.epoch === "" || request.epoch === String(epoch) ? request.since : 0;
    const filter = { campaign: request.campaignId, node: request.nodeId };
    for await (const { timeMs, campaign, job, node, ...event } of events.follow(
      since,
      filter,
      signal,
      request.untilNow,
    )) {
      const about = { campaignId: campaign, jobId: job, nodeId: node };
      yield { event: { ...event, ...about, time: new Date(timeMs), epoch: String(epoch) } };
    }
  }),
});
