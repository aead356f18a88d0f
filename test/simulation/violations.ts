/** What must never be seen. The first violation ends a schedule: what follows from it proves nothing. */
export type Invariant =
  | "acknowledged campaign exists"
  | "one campaign per idempotency key"
  | "only the leader writes"
  | "one done record per shard"
  | "no commit after the gate is gone"
  | "no late parent after a split"
  | "terminal states stay terminal"
  | "an acknowledgement follows its commit"
  | "fences rise"
  | "a lower epoch is refused"
  | "no device is granted twice"
  | "credits are not overdrawn"
  | "quotas are kept"
  | "budgets are kept"
  | "one duplicate at most"
  | "times and samples have no duplicates"
  | "duplicates are charged to nobody"
  | "times are compared on one class"
  | "a quarantined node gets nothing new"
  | "few nodes are quarantined at once"
  | "a quarantine outlives its leader"
  | "what an agent keeps is its own"
  | "a mass loss is held up"
  | "a journal is kept until it is answered"
  | "one record per sample"
  | "poison has evidence"
  | "the board adds up"
  | "nothing expires while the store is away"
  | "queues are bounded"
  | "nothing runs after its end"
  | "no unhandled rejection"
  | "everything ends after healing";

export interface Violation {
  invariant: Invariant;
  text: string;
  atMs: number;
}

export type Fail = (invariant: Invariant, text: string) => void;
