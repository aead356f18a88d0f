-- What people query of results. A projection of the artifacts, in generations: one answers, one may be building.

create table sai_results.generation (
  id integer primary key,
  -- building, current or old (its rows are about to go)
  state text not null check (state in ('building', 'current', 'old')),
  -- The cluster whose campaigns these are.
  cluster text not null,
  -- What its rows were made by; others are made anew.
  layout integer not null,
  begun_at timestamptz not null default now(),
  switched_at timestamptz
);
create unique index generation_current on sai_results.generation (state) where state in ('current', 'building');

-- Campaigns that are in it as a whole; written with the last of their rows.
create table sai_results.campaign (
  generation integer not null,
  id text not null,
  name text not null,
  tenant text not null,
  state text not null,
  retry_of text,
  created_ms bigint not null,
  ended_ms bigint not null,
  suite_sha256 text not null,
  records bigint not null,
  -- What of it could not be read, for people; empty if nothing.
  problem text not null,
  primary key (generation, id)
);

-- How far jobs are in it; written with the rows it counts.
create table sai_results.ingested (
  generation integer not null,
  campaign text not null,
  job text not null,
  manifest_sha256 text not null,
  -- Shards of the manifest, in its order, whose records are in `sample`.
  shards integer not null,
  records bigint not null,
  -- Records of no sample of theirs, which are left out.
  strangers bigint not null,
  primary key (generation, campaign, job)
);

-- A job and what its campaign's summary says of it.
create table sai_results.cell (
  generation integer not null,
  id integer not null generated always as identity,
  campaign text not null,
  job text not null,
  model text not null,
  engine text not null,
  engine_version text not null default '',
  model_digest text not null default '',
  prompt text not null,
  prompt_sha256 text not null,
  dataset text not null,
  dataset_sha256 text not null,
  -- Generation settings as canonical JSON: what other settings gave is another result.
  settings text not null,
  repetitions integer not null,
  simulated boolean not null,
  planned bigint not null,
  answered bigint not null default 0,
  failed bigint not null default 0,
  e2e_p50_ms double precision,
  e2e_p95_ms double precision,
  ttft_p50_ms double precision,
  ttft_p95_ms double precision,
  tpot_p50_ms double precision,
  primary key (generation, id),
  unique (generation, campaign, job)
);

create table sai_results.cell_metric (
  generation integer not null,
  cell integer not null,
  metric text not null,
  value double precision,
  reason text not null,
  unit text not null,
  n integer not null,
  lo double precision,
  hi double precision,
  method text,
  higher_is_better boolean not null,
  -- Among the models of its campaign, prompt and dataset.
  rank integer,
  primary key (generation, cell, metric)
);

-- One row a record, without its texts: these are read from the artifacts.
create table sai_results.sample (
  generation integer not null,
  cell integer not null,
  ordinal integer not null,
  shard integer not null,
  repetition integer not null,
  status text not null,
  cached boolean not null,
  node text not null,
  item text not null,
  cluster text not null,
  level text,
  -- The first 128 bits of pair_key and target_sha.
  pair uuid,
  target uuid,
  -- Of answered samples that did not come from the cache.
  e2e_ms double precision,
  ttft_ms double precision,
  tpot_ms double precision,
  tokens_in bigint,
  tokens_out bigint,
  cost_usd double precision,
  error_class text,
  flags text[],
  scores jsonb not null,
  primary key (generation, cell, ordinal)
) partition by list (generation);
create index sample_not_ok on sai_results.sample (generation, cell, ordinal) where status <> 'ok';
