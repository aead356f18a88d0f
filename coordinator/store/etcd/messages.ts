/** Between the store's terms and etcd's messages. Keys are UTF-8; 64-bit numbers travel as decimal strings. */
import type { ICompare, IEvent, IKeyValue, IRangeRequest, IRequestOp, IResponseOp, ITxnRequest } from "etcd3";
import { type Cmp, type KV, type Op, type Range, rev, type StoreEvent, type Txn } from "../store.js";

export function toKv(kv: IKeyValue): KV {
  const lease = BigInt(kv.lease);
  return {
    key: kv.key.toString("utf8"),
    value: kv.value,
    createRev: rev(BigInt(kv.create_revision)),
    modRev: rev(BigInt(kv.mod_revision)),
    version: BigInt(kv.version),
    ...(lease === 0n ? {} : { lease }),
  };
}

export function toEvent({ type, kv }: IEvent): StoreEvent {
  if (type !== "Delete" && (type as string) !== "DELETE") return { type: "put", kv: toKv(kv) };
  return { type: "delete", kv: { ...toKv(kv), value: NOTHING, createRev: rev(0n), version: 0n } };
}
const NOTHING = new Uint8Array(0);

export function toRange(range: Range): { key: Buffer; range_end?: Buffer } {
  if ("key" in range) return { key: Buffer.from(range.key) };
  return { key: Buffer.from(range.from), range_end: Buffer.from(range.to) };
}

export function toTxn({ compare, success, failure = [] }: Txn): ITxnRequest {
  return { compare: compare.map(toCompare), success: success.map(toOp), failure: failure.map(toOp) };
}

function toCompare({ key, target, op, operand }: Cmp): ICompare {
  const what = { key: Buffer.from(key), result: op === "=" ? "Equal" : "NotEqual" } as const;
  if (target === "create") return { ...what, target: "Create", create_revision: String(operand) };
  return { ...what, target: "Mod", mod_revision: String(operand) };
}

function toOp(op: Op): IRequestOp {
  if ("get" in op) return { request_range: toRange(op.get) as IRangeRequest };
  if ("del" in op) return { request_delete_range: { ...toRange(op.del), prev_kv: true } };
  const { key, value, lease } = op.put;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return {
    request_put: {
      key: Buffer.from(key),
      value: bytes,
      ...(lease === undefined ? {} : { lease: String(lease) }),
    },
  };
}

/** What an operation answered: what a get found, what a delete removed. */
export function found(response: IResponseOp): KV[] {
  const { response_range: range, response_delete_range: deleted } = response as Partial<IResponseOp>;
  return (range?.kvs ?? deleted?.prev_kvs ?? []).map(toKv);
}
