/** Who may use etcd, and how it is reached: users and passwords, denied keys, TLS with and without our own certificate. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, inject, test } from "vitest";
import { EtcdStore } from "../../../coordinator/store/etcd/etcd-store.js";
import { prefix, rev } from "../../../coordinator/store/store.js";
import { systemClock } from "../../../shared/runtime/clock.js";
import { type EtcdCluster, startEtcd } from "../../support/etcd.js";
import { withUser } from "./users.js";

const { current } = inject("etcds");
const clock = systemClock;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function etcdWith(o: Omit<Parameters<typeof startEtcd>[0], "program">): Promise<EtcdCluster> {
  const etcd = await startEtcd({ program: current, ...o });
  ends.push(() => etcd.close());
  return etcd;
}

function storeAt(o: ConstructorParameters<typeof EtcdStore>[0]): EtcdStore {
  const store = new EtcdStore(o);
  ends.push(() => store.close());
  return store;
}

const put = (key: string) => ({ compare: [], success: [{ put: { key, value: Buffer.from("x") } }] });

test("a user works where it may, is denied elsewhere, and a denied watch or call poisons nothing", async () => {
  const etcd = await etcdWith({ flags: ["--auth-token-ttl", "2"] });
  const url = `http://${etcd.members[0]?.address}`;
  await withUser(url);
  const store = storeAt({ endpoints: [url], clock, user: { name: "sai", password: "sai-secret" } });
  const { rev: at } = await store.txn(put("/t/a"));
  const good = store.watch([prefix("/t/")], { fromRev: rev(at + 1n), signal: new AbortController().signal });
  const denied = { detail: { kind: "Denied" } };
  await expect(store.get("/other")).rejects.toMatchObject(denied);
  await expect(store.txn(put("/other"))).rejects.toMatchObject(denied);
  const other = store.watch([{ key: "/other" }], { fromRev: at, signal: new AbortController().signal });
  await expect(other[Symbol.asyncIterator]().next()).rejects.toMatchObject(denied);
  await clock.sleep(4_500); // the token runs out; simple tokens live on while they are used
  const { rev: next } = await store.txn(put("/t/b"));
  for await (const msg of good) {
    expect([msg.rev, msg.events.map((e) => e.kv.key)]).toEqual([next, ["/t/b"]]);
    break;
  }
});

test("a wrong password, and none, are denied and say so", async () => {
  const etcd = await etcdWith({});
  const url = `http://${etcd.members[0]?.address}`;
  await withUser(url);
  const wrong = storeAt({ endpoints: [url], clock, user: { name: "sai", password: "guess" } });
  await expect(wrong.get("/t/a")).rejects.toThrow(/lets this user not do it: .*authentication failed/);
  const none = storeAt({ endpoints: [url], clock });
  await expect(none.get("/t/a")).rejects.toMatchObject({ detail: { kind: "Denied" } });
});

test("TLS: checked against the authority given; a server of another's, or a client unknown to it, is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sai-etcd-tls-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  writeFileSync(file("san"), "subjectAltName=IP:127.0.0.1\n");
  for (const ca of ["ca", "other"])
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      `${ca}.key`,
      "-out",
      `${ca}.pem`,
      "-subj",
      `/CN=${ca}`,
      "-days",
      "2",
    );
  for (const name of ["server", "client"]) {
    openssl(
      "req",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
    );
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-out",
      `${name}.pem`,
      "-extfile",
      "san",
      "-days",
      "2",
    );
  }
  const tls = (...names: [string, string?]) => {
    const [ca, own] = names;
    const read = (name: string) => readFileSync(file(name));
    return { ca: read(`${ca}.pem`), ...(own && { cert: read(`${own}.pem`), key: read(`${own}.key`) }) };
  };
  const etcd = await etcdWith({
    tls: { cert: file("server.pem"), key: file("server.key"), clientCa: file("ca.pem") },
  });
  const url = `https://${etcd.members[0]?.address}`;
  const known = storeAt({ endpoints: [url], clock, tls: tls("ca", "client") });
  const { rev: at } = await known.txn(put("/t/a"));
  expect((await known.get("/t/a")).rev).toBe(at);
  for (const access of [tls("other", "client"), tls("ca")]) {
    const store = storeAt({ endpoints: [url], clock, tls: access });
    await expect(store.get("/t/a")).rejects.toMatchObject({ detail: { kind: "Unavailable" } });
  }
});
