-- Everything of Afield. Every row belongs to a tenant.

create table afield.tenant (
    id         uuid primary key,
    name       text not null unique,
    created_at timestamptz not null default now()
);

-- Secrets are sealed outside the database; see afield.security.secrets.
create table afield.credential (
    id         uuid primary key,
    tenant_id  uuid not null references afield.tenant,
    name       text not null,
    connector  text not null,
    public     jsonb not null default '{}',
    sealed     bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (tenant_id, name)
);

create table afield.token (
    credential_id uuid primary key references afield.credential on delete cascade,
    tenant_id     uuid not null references afield.tenant,
    sealed        bytea,                 -- the access token
    expires_at    timestamptz,
    lease         uuid,                  -- who refreshes it now ...
    leased_until  timestamptz,           -- ... and until when that is believed
    refused       text,                  -- why the credential was refused ...
    refused_until timestamptz,           -- ... and until when that is remembered
    rejected      bytea[] not null default '{}'  -- digests of tokens a remote has refused
);

create table afield.target (
    id              uuid primary key,
    tenant_id       uuid not null references afield.tenant,
    connector       text not null,
    name            text not null,
    address         jsonb not null,
    settings        jsonb not null default '{}',
    credential_id   uuid references afield.credential,
    epoch           bigint not null default 0,
    driver          text,
    driver_since    timestamptz,
    look            jsonb,
    throttled_until timestamptz,
    created_at      timestamptz not null,
    unique (tenant_id, name)
);

create table afield.execution (
    id                  uuid primary key,
    tenant_id           uuid not null references afield.tenant,
    target_id           uuid not null references afield.target,
    state               text not null check (state in (
        'queued', 'submitting', 'unconfirmed', 'submitted', 'running',
        'succeeded', 'failed', 'cancelled', 'timed_out', 'rejected', 'lost')),
    attempt             integer not null default 0 check (attempt >= 0),
    failures            integer not null default 0,
    output_state        text not null default 'none' check (output_state in ('none', 'pending', 'stored', 'unavailable')),
    resubmit            text not null default 'when_absent' check (resubmit in ('when_absent', 'never')),
    handle              text,
    remote_status       text,
    remote_seen_at      timestamptz,
    reason_code         text,
    reason_text         text,
    created_at          timestamptz not null,
    state_at            timestamptz not null,
    updated_at          timestamptz not null,
    intent_at           timestamptz,
    submitted_at        timestamptz,
    started_at          timestamptz,
    finished_at         timestamptz,
    deadline_at         timestamptz,
    retry_at            timestamptz,
    next_at             timestamptz,
    cancel_requested_at timestamptz,
    cancel_asked_at     timestamptz,
    timeout_s           double precision,
    idempotency_key     text,
    labels              jsonb not null default '{}',
    spec                jsonb not null,
    output              jsonb,
    -- Indexes use these two instead of `state`, so that most changes of state touch no index.
    waiting             boolean not null generated always as (state = 'queued') stored,
    open                boolean not null generated always as (
        state in ('queued', 'submitting', 'unconfirmed', 'submitted', 'running') or output_state = 'pending') stored
) with (fillfactor = 70, toast_tuple_target = 512);

create index execution_open on afield.execution (target_id, waiting, created_at, id) where open;
create index execution_to_cancel on afield.execution (target_id) where open and cancel_requested_at is not null;
create index execution_of_tenant on afield.execution (tenant_id, created_at desc, id desc);
create index execution_of_target on afield.execution (target_id, created_at desc, id desc);
create index execution_labels on afield.execution using gin (labels jsonb_path_ops) where labels <> '{}';
create unique index execution_idempotency on afield.execution (tenant_id, idempotency_key)
    where idempotency_key is not null;

-- Which execution a remote execution belongs to. Never given up, so that no two can claim one.
create table afield.handle (
    target_id    uuid not null,
    handle       text not null,
    execution_id uuid not null,
    tenant_id    uuid not null,
    primary key (handle, target_id)
);
create index handle_of_execution on afield.handle (execution_id);

create table afield.attempt (
    execution_id uuid not null,
    number       integer not null,
    tenant_id    uuid not null,
    target_id    uuid not null,
    key          text not null,
    intent_at    timestamptz not null,
    outcome      text not null default 'open'
        check (outcome in ('open', 'accepted', 'refused', 'not_sent', 'unknown', 'absent')),
    handle       text,
    settled_at   timestamptz,
    absent       boolean not null generated always as (outcome = 'absent') stored,
    primary key (execution_id, number)
) with (fillfactor = 80);
create index attempt_absent on afield.attempt (target_id, intent_at) where absent;

-- The allowed moves, and what each says of the attempt it is about.
create table afield.move_rule (
    from_state text not null,
    to_state   text not null,
    outcome    text,
    primary key (from_state, to_state)
);

create table afield.event (
    seq          bigint primary key,
    at           timestamptz not null,
    kind         text not null,
    tenant_id    uuid not null,
    target_id    uuid not null,
    execution_id uuid,
    from_state   text,
    to_state     text,
    attempt      integer,
    epoch        bigint,
    actor        text not null,
    reason_code  text,
    reason_text  text,
    data         jsonb not null default '{}',
    move_id      bigint  -- which move wrote it, to recognise a move that is made again after a lost answer
);
create index event_of_execution on afield.event (execution_id, seq) where execution_id is not null;
create index event_of_target on afield.event (target_id, seq);

-- The number of the newest event. One row.
create table afield.feed (
    only_row boolean primary key default true check (only_row),
    last_seq bigint not null
) with (fillfactor = 10);
insert into afield.feed (last_seq) values (0);

create table afield.finding (
    id            uuid primary key,
    tenant_id     uuid not null references afield.tenant,
    target_id     uuid not null references afield.target,
    fingerprint   text not null,
    kind          text not null,
    execution_id  uuid,
    body          jsonb not null,
    first_seen_at timestamptz not null,
    last_seen_at  timestamptz not null,
    resolved_at   timestamptz,
    ignored       boolean not null default false,
    unique (target_id, fingerprint)
);
create index finding_of_tenant on afield.finding (tenant_id, first_seen_at, id);

create table afield.workflow (
    id         uuid primary key,
    tenant_id  uuid not null references afield.tenant,
    target_id  uuid not null references afield.target,
    name       text not null,
    sql_query  text not null,
    parameters jsonb not null default '{}',
    settings   jsonb not null default '{}',
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create index workflow_of_tenant on afield.workflow (tenant_id, created_at desc) where deleted_at is null;
