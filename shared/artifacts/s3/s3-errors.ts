/**
 * What an S3 server's errors mean here. Everything that waiting, a new key or more room may mend is passing (unavailable,
 * resource_exhausted), refused credentials too: they expire in the middle of a campaign, and nothing may be given up for
 * it. They are not `unauthenticated`, which would tell a user that their own key for the coordinator is wrong.
 */
import { errorText, SaiError } from "../../runtime/errors.js";

/** Names by which servers refuse who we are, or what we may. */
const CREDENTIALS = new Set([
  ...["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId"],
  ...["SignatureDoesNotMatch", "AccessDenied", "Forbidden", "Unauthorized", "CredentialsProviderError"],
  // Versity's word for a key that it does not know, with status 404.
  "XAdminUserNotFound",
  ...["InvalidClientTokenId", "UnrecognizedClientException", "AuthorizationHeaderMalformed"],
]);
/** Names of a full disk or quota: Ceph, MinIO, Versity, Swift. */
const FULL = new Set([
  ...["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"],
  ...["StorageFull", "NoSpaceLeft", "ServiceQuotaExceededException"],
]);

export interface S3Fault {
  /** The server's word, or the client's. */
  name: string;
  status: number | undefined;
}

export function faultOf(error: unknown): S3Fault {
  if (!(error instanceof Error)) return { name: "", status: undefined };
  const {
    $metadata: about,
    Code,
    code,
  } = error as {
    $metadata?: { httpStatusCode?: number };
    Code?: string;
    code?: string;
  };
  return {
    name: Code ?? (error.name === "Error" ? (code ?? "") : error.name),
    status: about?.httpStatusCode,
  };
}

/** There is no such key, in so many words: other things are not found either, such as a bucket or who we are. */
export const isAbsent = (error: unknown): boolean => faultOf(error).name === "NoSuchKey";

/** Something is not there; a HEAD answers nothing but the status. */
export const isNotFound = (error: unknown): boolean => faultOf(error).status === 404;

/** The key is taken, so a conditional write was refused. */
export const isTaken = (error: unknown): boolean => {
  const { name, status } = faultOf(error);
  return status === 412 || name === "PreconditionFailed";
};

/** There is no such upload in parts: it was completed, or aborted. */
export const isEndedUpload = (error: unknown): boolean => faultOf(error).name === "NoSuchUpload";

/** The server does not know the condition, or the call. */
export const isUnknownThere = (error: unknown): boolean => {
  const { name, status } = faultOf(error);
  return status === 501 || name === "NotImplemented";
};

export const isRefused = (error: unknown): boolean => {
  const { name, status } = faultOf(error);
  if (FULL.has(name)) return false;
  return CREDENTIALS.has(name) || status === 401 || status === 403;
};

/** For callers and people: what was asked, where, what came back, what to do. */
export function s3Error(what: string, location: string, error: unknown): SaiError {
  if (error instanceof SaiError) return error;
  const { name, status } = faultOf(error);
  const said = [status, name === "Error" ? "" : name, errorText(error)].filter(Boolean).join(" ");
  const message = `cannot ${what} in ${location}: ${said}`;
  if (FULL.has(name) || status === 507)
    return new SaiError("resource_exhausted", message, {
      hint: "free space there, or raise the quota",
      cause: error,
    });
  return new SaiError("unavailable", message, { hint: hintFor(error, name), cause: error });
}

function hintFor(error: unknown, name: string): string {
  if (isRefused(error))
    return "renew the credentials (artifacts.access_key_id, artifacts.credentials_file or the machine's own), see what they may (s3:ListBucket too: without it absent keys are refused), and the clocks of both sides";
  if (name === "NoSuchBucket") return "make the bucket, or set artifacts.bucket";
  return "see whether the server at artifacts.endpoint runs and can be reached from here";
}
