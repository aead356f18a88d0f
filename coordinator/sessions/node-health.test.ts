/** Quarantines from begin to end, on a real fleet and its records, under a clock the test moves. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FailureClass } from "../../shared/domain/retry.js";
import { decode, keys } from "../store/keys.js";
import { Sessions } from "./sessions.test-support.js";

let on: Sessions;
beforeEach(async () => {
  on = await Sessions.open();
});
afterEach(() => on.close());

const shard = (i: number) => ({ campaign: "c", job: `j${i % 4}`, index: i });
const MINUTES = 60_000;

async function fleetOf(count: number): Promise<void> {
  for (let i = 1; i <= count; i++) await on.ready(`n${i}`);
}

const failOn = (node: string, times: number, of: FailureClass = "infra", items: number[] = []) => {
  for (let i = 0; i < times; i++) on.health.failed(on.node(node), shard(i), { class: of, items });
};
const doWell = (node: string, times: number) => {
  for (let i = 0; i < times; i++) on.health.succeeded(on.node(node), shard(i));
};
const kinds = () => on.fleet.list().map(({ quarantine }) => quarantine.kind);
const record = async (node: string) => {
  const { kv } = await on.world.get(on.campaigns.state.get(keys.quarantine(node).key));
  return kv && decode(keys.quarantines.codec, kv);
};
const lose = (node: string) => {
  on.fleet.event(on.node(node), { kind: "disconnect" });
  on.fleet.lose(on.node(node));
};
const later = async (ms: number) => {
  await on.world.clock.advance(ms);
  on.health.look();
};

test("failures quarantine a node for longer each time; doing well in between clears it", async () => {
  await fleetOf(3);
  const { clock } = on.world;
  for (const minutes of [5, 15, 60, 60]) {
    doWell("n2", 8);
    failOn("n1", 20);
    expect(on.node("n1").quarantine).toMatchObject({
      ...{ kind: "quarantined", forMs: minutes * MINUTES, endMs: clock.nowMs() + minutes * MINUTES },
      reason: expect.stringContaining("20 of its last 20 shards failed, of 4 jobs"),
    });
    await later(minutes * MINUTES - 1);
    expect(on.node("n1").quarantine.kind).toBe("quarantined");
    await later(1);
    expect(on.node("n1").quarantine.kind).toBe("probation");
    expect(await record("n1")).toMatchObject({ node: "n1", forMs: minutes * MINUTES });
  }
  expect(on.retracted).toEqual(["n1", "n1", "n1", "n1"]);
  doWell("n1", 20);
  expect(on.node("n1").quarantine.kind).toBe("none");
  await later(1000);
  expect(await record("n1")).toBeUndefined();
  failOn("n1", 20);
  expect(on.node("n1").quarantine).toMatchObject({ forMs: 5 * MINUTES });
});

test("what models answer and what a sample kills blames nobody", async () => {
  await fleetOf(3);
  doWell("n2", 8);
  for (const of of ["model", "transient", "config"] as const) failOn("n1", 20, of);
  expect(kinds()).toEqual(["none", "none", "none"]);
  for (let i = 0; i < 18; i++) on.health.failed(on.node("n1"), shard(i), { class: "poison", items: [i] });
  for (let i = 0; i < 18; i++) on.health.named("c", shard(i).job, i);
  failOn("n1", 19);
  expect(kinds()).toEqual(["none", "none", "none"]);
  failOn("n1", 1);
  expect(kinds()).toEqual(["quarantined", "none", "none"]);
});

test("a fleet of two keeps both, and says that one fails; of three one goes, and a second does not", async () => {
  await fleetOf(2);
  doWell("n2", 8);
  failOn("n1", 20);
  expect(kinds()).toEqual(["none", "none"]);
  const told: string[] = [];
  const about = { campaign: "", node: "n1" };
  for await (const { kind } of on.campaigns.events.follow(0, about, new AbortController().signal, true))
    told.push(kind);
  expect(told.at(-1)).toBe("node.failing");
  await on.ready("n3");
  doWell("n3", 8);
  failOn("n1", 20);
  failOn("n2", 20);
  expect(kinds()).toEqual(["quarantined", "none", "none"]);
});

test("samples that are named later take the quarantine and its level back, whenever that is", async () => {
  await fleetOf(3);
  doWell("n2", 8);
  const die = () => {
    for (let i = 0; i < 20; i++)
      on.health.failed(on.node("n1"), shard(i), { class: i < 11 ? "poison" : "infra", items: [i] });
  };
  const name = (count: number) => {
    for (let i = 0; i < count; i++) on.health.named("c", shard(i).job, i);
  };
  die();
  expect(on.node("n1").quarantine).toMatchObject({ kind: "quarantined", level: 1 });
  name(9);
  expect(on.node("n1").quarantine.kind).toBe("quarantined");
  name(11);
  expect(on.node("n1").quarantine).toEqual({ kind: "none" });
  await later(1000);
  expect(await record("n1")).toBeUndefined();
  // The second time it was blamed with good reason; the third time it was not, and that is found out when it is over.
  failOn("n1", 20);
  await later(5 * MINUTES);
  const before = on.node("n1").quarantine;
  expect(before).toMatchObject({ kind: "probation", level: 1 });
  doWell("n2", 8);
  die();
  await later(15 * MINUTES);
  expect(on.node("n1").quarantine).toMatchObject({ kind: "probation", level: 2 });
  name(11);
  expect(on.node("n1").quarantine).toEqual(before);
});

test("whoever is cordoned or lost takes no place in the fleet, and none from it", async () => {
  await fleetOf(10);
  doWell("n9", 8);
  failOn("n1", 20);
  await later(1000);
  failOn("n2", 20);
  const out = () =>
    on.fleet.list().flatMap(({ id, quarantine: { kind } }) => (kind === "none" ? [] : [id, kind]));
  expect(out()).toEqual(["n1", "quarantined", "n2", "quarantined"]);
  // Nine are left, and one of them is out: that one stays out.
  await on.world.get(on.admin.cordon("n2", "a broken disk"));
  await later(1000);
  expect(out()).toEqual(["n1", "quarantined", "n2", "quarantined"]);
  lose("n1");
  await later(1000);
  failOn("n3", 20);
  expect(out()).toEqual(["n1", "quarantined", "n2", "quarantined", "n3", "quarantined"]);
  // Eight and one that come back: one of the two has to work.
  await on.ready("n1");
  expect(out()).toEqual(["n1", "probation", "n2", "quarantined", "n3", "quarantined"]);
});

test("a node that comes back in quarantine is asked again for what it has not begun", async () => {
  await fleetOf(3);
  doWell("n2", 8);
  failOn("n1", 20);
  expect(on.retracted).toEqual(["n1"]);
  await on.ready("n1");
  await on.ready("n2");
  expect(on.retracted).toEqual(["n1", "n1"]);
});

test("nothing is kept of a node that was removed", async () => {
  await fleetOf(4);
  doWell("n2", 8);
  const gone = on.node("n2");
  lose("n2");
  await on.world.get(on.admin.remove("n2"));
  on.health.succeeded(gone, shard(0)); // was on its way to the store
  failOn("n1", 20);
  expect(kinds()).toEqual(["none", "none", "none"]);
});

test("a fleet that shrinks takes its node back early, and later leaders know", async () => {
  await fleetOf(3);
  doWell("n2", 8);
  failOn("n1", 20);
  await later(1000);
  expect(await record("n1")).toMatchObject({ level: 1, forMs: 5 * MINUTES });
  await on.world.get(on.admin.cordon("n3", ""));
  await later(1000);
  expect(on.node("n1").quarantine.kind).toBe("probation");
  await later(1000);
  expect(await record("n1")).toMatchObject({ level: 1, untilMs: 0 });
});

test("uncordon ends it, and is stored when it is answered", async () => {
  await fleetOf(3);
  doWell("n2", 8);
  failOn("n1", 20);
  await later(1000);
  await on.world.get(on.admin.uncordon("n1"));
  expect(on.node("n1").quarantine.kind).toBe("none");
  expect(await record("n1")).toBeUndefined();
});

test("a later leader goes on with it, for the whole time again at most, however its clock goes", async () => {
  await fleetOf(3);
  const wallMs = on.world.clock.wallMs();
  const value = { node: "n1", level: 2, reason: "r", forMs: 15 * MINUTES };
  const restored = (untilMs: number) => {
    on.health.restore({ ...value, untilMs });
    const { quarantine } = on.node("n1");
    return quarantine.kind === "quarantined" ? quarantine.endMs - on.world.clock.nowMs() : quarantine.kind;
  };
  expect(restored(wallMs + 7 * MINUTES)).toBe(7 * MINUTES);
  expect(restored(wallMs + 600 * MINUTES)).toBe(15 * MINUTES);
  expect(restored(wallMs - 1)).toBe("probation");
  on.health.restore({ ...value, node: "gone", untilMs: wallMs + 1 });
});
