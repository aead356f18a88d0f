/** Quotas on submitting: what is refused, what is counted, and who is told what. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { suiteOf } from "../../test/support/suites.js";
import { campaignEvent } from "./lifecycle.js";
import { CampaignQuotas, type TenantTerms, tenantOf } from "./quotas.js";
import { submitCampaign } from "./submit.js";
import { World } from "./world.test-support.js";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

const terms = (maxCampaigns: number): TenantTerms => ({
  ...{ weight: 1, maxCampaigns, maxRunningShards: undefined },
});
const request = (tenant?: string) => ({
  ...{ suite: suiteOf({ items: 1 }), inputs: [], modelMap: {}, priority: 0 },
  ...(tenant === undefined ? {} : { tenant }),
});

test("a tenant that has as many open campaigns as its quota says gets no more, and others do", async () => {
  const term = await world.term({ tenants: new Map([["vision", terms(2)]]) });
  const submit = (tenant?: string, key = "") => world.get(submitCampaign(term.parts, request(tenant), key));
  const first = await submit("vision", "k");
  await submit("vision");
  await expect(submit("vision")).rejects.toMatchObject({
    code: "resource_exhausted",
    message: "tenant vision has 2 campaigns that have not ended, its quota max_campaigns is 2",
    hint: "wait until one has ended, or raise coordinator.tenants.vision.max_campaigns",
  });
  expect(await submit("vision", "k")).toBe(first); // it is there already
  for (const other of ["audio", undefined]) for (const _ of [1, 2, 3]) await submit(other);
  await world.get(campaignEvent(term.parts, first, { kind: "cancel", reason: "" }));
  expect(tenantOf((await submit("vision")).value)).toBe("vision");
});

test("of those that are submitted at once no more are taken than the quota says", async () => {
  const term = await world.term({ tenants: new Map([["vision", terms(3)]]) });
  const asked = Array.from({ length: 10 }, () => submitCampaign(term.parts, request("vision"), ""));
  const answers = await world.get(Promise.allSettled(asked));
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  await expect(world.get(submitCampaign(term.parts, request("vision"), ""))).rejects.toThrow("max_campaigns");
});

test("a campaign that is on the board is not counted as coming as well", async () => {
  const term = await world.term();
  const quotas = new CampaignQuotas(new Map([["vision", terms(2)]]), term.board);
  const add = () => world.get(submitCampaign(term.parts, request("vision"), ""));
  const told = quotas.within("vision", async (listed) => {
    const first = await add();
    listed();
    // The first is there now: there is room for one more, and for no third.
    await quotas.within("vision", async () => add());
    return first;
  });
  expect(tenantOf((await told).value)).toBe("vision");
  await expect(quotas.within("vision", async () => add())).rejects.toThrow("has 2 campaigns");
});

test("a campaign keeps its tenant through a change of leaders; one without is the default tenant's", async () => {
  const before = await world.term();
  const ids = [];
  for (const tenant of ["vision", undefined])
    ids.push((await world.get(submitCampaign(before.parts, request(tenant), ""))).value.id);
  const after = await world.term();
  expect(ids.map((id) => tenantOf(after.board.campaign(id)?.value ?? {}))).toEqual(["vision", "default"]);
});

test("a tenant's name is one", async () => {
  const term = await world.term();
  for (const tenant of ["a/b", "", "a b", "-a"])
    await expect(world.get(submitCampaign(term.parts, request(tenant), ""))).rejects.toMatchObject({
      violations: [{ field: "spec.tenant" }],
    });
});
