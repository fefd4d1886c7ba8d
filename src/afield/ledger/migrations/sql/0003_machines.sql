-- Cloud accounts, and the machines last seen in them.
create table afield.account (
    id            uuid primary key,
    tenant_id     uuid not null references afield.tenant,
    name          text not null,
    kind          text not null,
    address       jsonb not null,
    credential_id uuid references afield.credential,
    created_at    timestamptz not null,
    discovered_at timestamptz,  -- the last discovery, however it ended ...
    complete_at   timestamptz,  -- ... and the last one that saw everything
    unique (tenant_id, name)
);

-- Keys are ids and names as they are compared: without regard to case.
create table afield.machine (
    id            uuid primary key,
    tenant_id     uuid not null references afield.tenant,
    account_id    uuid not null references afield.account on delete cascade,
    remote_id     text not null,
    remote_key    text not null,
    name          text not null,
    name_key      text not null,
    connector     text not null,
    address       jsonb not null,
    kind          text not null,
    location      text not null,
    grouping      text not null,
    power         text not null,
    tags          jsonb not null,
    first_seen_at timestamptz not null,
    seen_at       timestamptz not null,
    gone_at       timestamptz,  -- the complete discovery that did not show it any more
    unique (account_id, remote_key)
);
create index machine_by_name on afield.machine (tenant_id, name_key);
