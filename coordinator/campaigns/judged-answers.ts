/**
 * What judges are asked about: the answers of a job that has ended, put into the artifact store before the job is said to
 * have ended, so that its judge jobs, which wait for that, find them there under every leader.
 */
import { type ArtifactStore, isAway } from "../../shared/artifacts/store.js";
import { answersBytes, answersKey, pieceOf } from "../../shared/datasets/answers.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { CampaignEntry, JobEntry } from "./board.js";
import type { CampaignParts } from "./parts.js";

export const isJudged = (entry: CampaignEntry, job: JobEntry): boolean =>
  entry.jobs.some(({ spec }) => spec.judge?.of === job.spec.id);

/** The judge jobs of one that has ended wait no longer. */
export function letJudge(
  { board, wake }: Pick<CampaignParts, "board" | "wake">,
  entry: CampaignEntry,
  job: JobEntry,
): void {
  const judges = entry.jobs.filter(({ spec }) => spec.judge?.of === job.spec.id);
  for (const { spec } of judges) board.touch({ campaign: entry.value.id, job: spec.id });
  if (judges.length > 0) wake();
}

/** Repeatable. Throws only what waiting can mend: of what is damaged there are no answers. */
export async function storeAnswers(
  { artifacts, results, log }: Pick<CampaignParts, "artifacts" | "results" | "log">,
  { value: { id } }: CampaignEntry,
  { spec }: JobEntry,
): Promise<void> {
  const pieces = new Map<number, Map<number, string>>();
  const seen = new Map<number, number>();
  const put = async (piece: number) => {
    await putOnce(artifacts, answersKey(id, spec.id, piece), answersBytes(pieces.get(piece) ?? new Map()));
    pieces.delete(piece);
  };
  try {
    for await (const { ordinal, output } of results.records(id, { job: spec.id })) {
      const piece = pieceOf(ordinal, spec.shardSize);
      const answers = pieces.get(piece) ?? new Map<number, string>();
      pieces.set(piece, answers);
      if (output !== undefined) answers.set(ordinal, output);
      seen.set(piece, (seen.get(piece) ?? 0) + 1);
      // Mostly whole; of shards that were split the rest comes later.
      if (seen.get(piece) === spec.shardSize) await put(piece);
    }
  } catch (error) {
    if (isAway(error)) throw error;
    log.error(
      { reason: errorText(error), campaign: id, job: spec.id },
      "answers cannot be read for their judges",
    );
  }
  for (const piece of [...pieces.keys()]) await put(piece);
}

/** Other bytes are those of an earlier leader, who saw the same records, or fewer as they were damaged. */
async function putOnce(artifacts: ArtifactStore, key: string, bytes: Buffer): Promise<void> {
  await artifacts.put(key, bytes).catch((error: unknown) => {
    if (!(error instanceof SaiError) || error.code !== "already_exists") throw error;
  });
}
