/**
 * A Hello while it comes in, in as many messages as it takes, and what the agent says before it is answered.
 *
 * 1. Both are bounded, so that nobody fills this process before it is known who speaks.
 */
import type { AgentMessage, HeldMore, Hello } from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";

/** Far more than an agent's spool and queues hold. */
const MAX_ENTRIES = 300_000;
/** A Bye is all that an agent may say before it is welcome. */
const MAX_EARLY = 16;

export class Greeting {
  readonly early: AgentMessage[] = [];

  /** Takes over `hello`, whose lists grow with `join`. Throws SaiError, as `join` does. */
  constructor(readonly hello: Hello) {
    this.check();
  }

  /** Whether nothing of the Hello is missing. */
  get complete(): boolean {
    return !this.hello.more;
  }

  /** Adds a continuation. Throws SaiError for one that says nothing, or one too many. */
  join({ held, begun, more }: HeldMore): void {
    const { hello } = this;
    if (held.length + begun.length === 0) throw new SaiError("invalid_argument", "a HeldMore names nothing");
    for (const one of held) hello.held.push(one);
    for (const one of begun) hello.begun.push(one);
    hello.more = more;
    this.check();
  }

  /** Keeps a message that came before Welcome. Throws SaiError for one too many. */
  keep(message: AgentMessage): void {
    if (this.early.push(message) <= MAX_EARLY) return;
    throw new SaiError("resource_exhausted", "the agent does not wait for the answer to its Hello");
  }

  private check(): void {
    const entries = this.hello.held.length + this.hello.begun.length;
    if (entries <= MAX_ENTRIES) return;
    throw new SaiError("resource_exhausted", `the Hello names more than ${MAX_ENTRIES} attempts and samples`);
  }
}
