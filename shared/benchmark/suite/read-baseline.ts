import type { SuiteBaseline } from "../plan.js";
import type { Fields } from "./fields.js";

/** `baseline` of sai/v1: what a campaign is compared with when it has ended, and how much it may lose. */
export function readBaseline(root: Fields): SuiteBaseline | undefined {
  const own = root.object("baseline");
  if (own === undefined) return undefined;
  const campaign = own.text("campaign", 100);
  if (!campaign)
    own.findings.error(own.path("campaign"), "campaign is missing", "a campaign's id, or a baseline's name");
  const rule = own.object("rule");
  const metric = rule?.name("metric");
  const maxDrop = rule?.number("max_drop", { min: 0 });
  const alpha = rule?.number("alpha", { min: 0.0001, max: 0.5 });
  rule?.close();
  own.close();
  return {
    campaign: campaign ?? "",
    ...(metric === undefined ? {} : { metric }),
    ...(maxDrop === undefined ? {} : { maxDrop }),
    ...(alpha === undefined ? {} : { alpha }),
  };
}
