-- A provisioning job. How far it is, its session says; it is never stored here.
create table afield.provision_job (
    id           uuid primary key,
    tenant_id    uuid not null references afield.tenant,
    owner        text not null,
    session_id   bigint not null unique references afield.session,
    brief        jsonb not null,
    project_id   text not null default '',
    company_name text not null default '',   -- once it is known
    today        date not null,              -- of its data
    rows         bigint not null check (rows > 0),
    seed         bigint not null,
    dataset_name text not null unique,
    agent_id     text not null unique,
    trace_id     text not null default '',   -- of the request that started it
    cloned_from  uuid references afield.provision_job,
    pinned       boolean not null default false,
    tags         text[] not null default '{}',
    note         text not null default '',
    created_at   timestamptz not null,
    expires_at   timestamptz not null,       -- then its data is deleted, unless it is pinned
    cleaned_at   timestamptz,                -- its dataset, agent and files are gone
    last_number  bigint not null default 0,  -- of its log
    told_until   timestamptz                 -- the end of its session that is in its log; a retry leads to another
);
create index provision_job_of_owner on afield.provision_job (tenant_id, owner, created_at desc);
create index provision_job_expiry on afield.provision_job (expires_at) where cleaned_at is null;

-- What was said about a job, numbered for each by itself. `origin` names the one thing that was said, so that whoever
-- carries it here a second time changes nothing.
create table afield.provision_log (
    job_id   uuid not null references afield.provision_job,
    number   bigint not null,
    origin   text not null,
    at       timestamptz not null,
    severity text not null,
    agent    text not null,
    kind     text not null check (kind in ('stage', 'log', 'progress', 'result', 'error', 'done')),
    message  text not null,
    data     jsonb not null,
    primary key (job_id, number),
    unique (job_id, origin)
);
create index provision_log_by_kind on afield.provision_log (job_id, kind, agent, number);

create trigger log_stays
    before update or delete on afield.provision_log for each row
    execute function afield.refuse('what was said about a job stays');

-- Append to a job's log what is not in it yet; returns what was appended. The lock on the job's row makes numbers
-- visible in order.
create function afield.tell_provision_v1(job uuid, items jsonb)
returns setof afield.provision_log language plpgsql as $$
declare
    last bigint;
    said bigint;
begin
    select j.last_number into strict last from afield.provision_job j where j.id = job for update;
    return query
    insert into afield.provision_log as l
    select job, last + row_number() over (order by i.ord), i.item ->> 'origin', (i.item ->> 'at')::timestamptz,
           i.item ->> 'severity', i.item ->> 'agent', i.item ->> 'kind', i.item ->> 'message', i.item -> 'data'
    from jsonb_array_elements(items) with ordinality i (item, ord)
    where not exists (select from afield.provision_log k where k.job_id = job and k.origin = i.item ->> 'origin')
    returning l.*;
    get diagnostics said = row_count;
    if said > 0 then
        update afield.provision_job j set last_number = last + said where j.id = job;
        perform pg_notify('afield_provision', job::text);
    end if;
end $$;

-- Conversations about a job's data. A turn is written when it is over.
create table afield.provision_chat (
    id         uuid primary key,
    job_id     uuid not null references afield.provision_job,
    owner      text not null,
    created_at timestamptz not null,
    used_at    timestamptz not null,
    memory     jsonb not null
);
create index provision_chat_of_job on afield.provision_chat (job_id, used_at desc);
