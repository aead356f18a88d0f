import { expect, test } from "vitest";
import { StoreError } from "../store.js";
import { cancelled, fateOf } from "./errors.js";

/** As gRPC gives them on a stream, and as etcd3 words them for a call. */
const status = (code: number, details: string) =>
  Object.assign(new Error(`${code} NAME: ${details}`), { code, details });
const cast = (message: string) => new Error(message);

test.each([
  [status(14, "No connection established. Last error: connect ECONNREFUSED"), "not_sent"],
  [status(14, "Name resolution failed for target dns:x"), "not_sent"],
  [status(14, "Connection dropped"), "lost"],
  [status(14, "etcdserver: leader changed"), "lost"],
  [status(14, "etcdserver: request timed out"), "lost"],
  [status(4, "Deadline exceeded after 3.001s"), "lost"],
  [status(13, "Received RST_STREAM with code 2"), "lost"],
  [new Error("the stream was ended"), "lost"],
  [status(8, "etcdserver: mvcc: database space exceeded"), "no_space"],
  [status(8, "etcdserver: too many requests"), "refused_here"],
  [status(8, "Received message larger than max"), "lost"],
  [status(11, "etcdserver: mvcc: required revision has been compacted"), "compacted"],
  [cast("Lease 5 NOT_FOUND: etcdserver: requested lease not found is expired or revoked"), "lease_not_found"],
])("%s: %s", (error, kind) => {
  expect(fateOf(error).kind).toBe(kind);
});

test.each([
  [status(11, "etcdserver: mvcc: required revision is a future revision"), "BadRequest"],
  [status(3, "etcdserver: duplicate key given in txn request"), "BadRequest"],
  [status(3, "etcdserver: authentication failed, invalid user ID or password"), "Denied"],
  [cast("EtcdPermissionDeniedError: 7 PERMISSION_DENIED: etcdserver: permission denied"), "Denied"],
  [status(16, "etcdserver: invalid auth token"), "Denied"],
])("%s is refused for good: %s", (error, kind) => {
  expect(fateOf(error)).toMatchObject({ kind: "refused", error: { detail: { kind } } });
});

test("what gRPC says of a refused connection is told without its empty note", () => {
  const error = status(
    14,
    "No connection established. Last error: connect ECONNREFUSED 1.2.3.4:5. Resolution note: ",
  );
  expect(fateOf(error)).toEqual({
    kind: "not_sent",
    what: "No connection established. Last error: connect ECONNREFUSED 1.2.3.4:5",
  });
});

test("an error of the store itself stays what it is", () => {
  const error = new StoreError({ kind: "LeaseNotFound", lease: 7n });
  expect(fateOf(error)).toEqual({ kind: "refused", error });
});

test("a watch that etcd cancels says why", () => {
  expect(cancelled("12", "etcdserver: mvcc: required revision has been compacted").detail).toEqual({
    kind: "Compacted",
    compactRev: 12n,
  });
  expect(
    cancelled("0", "rpc error: code = PermissionDenied desc = etcdserver: permission denied").detail.kind,
  ).toBe("Denied");
  expect(cancelled("0", "").detail).toEqual({
    kind: "Unavailable",
    what: "etcd cancelled the watch: without a reason",
  });
});
