-- Where tickets and alerts come from. Secrets are sealed outside the database.
create table afield.webhook (
    id             uuid primary key,
    tenant_id      uuid not null references afield.tenant,
    name           text not null,
    kind           text not null check (kind in ('generic', 'alertmanager', 'pagerduty', 'datadog')),
    mapping        jsonb not null default '{}',
    write_back_url text,
    sealed         bytea not null,
    created_at     timestamptz not null default now(),
    unique (tenant_id, name)
);

create table afield.ticket (
    id          uuid primary key,
    tenant_id   uuid not null references afield.tenant,
    source      text not null,
    external_id text not null,
    title       text not null,
    description text not null default '',
    status      text not null check (status in ('open', 'in_progress', 'resolved', 'closed')),
    severity    text not null default '',
    ci_name     text,
    fields      jsonb not null default '{}',
    received_at timestamptz not null,
    updated_at  timestamptz not null,
    unique (tenant_id, source, external_id)
);
create index ticket_of_tenant on afield.ticket (tenant_id, received_at desc, id desc);

-- What has to be told to where a ticket came from, until it is.
create table afield.write_back (
    id         uuid primary key,
    tenant_id  uuid not null references afield.tenant,
    ticket_id  uuid not null references afield.ticket,
    session_id bigint not null,
    state      text not null,
    body       jsonb not null,
    tries      integer not null default 0,
    next_at    timestamptz,  -- null: told, or given up
    told_at    timestamptz,
    error      text,
    unique (session_id, state)
);
create index write_back_due on afield.write_back (next_at) where next_at is not null;
