-- Sessions and their steps. What only the product reads of a step is in `body`.
create table afield.session (
    id                    bigint generated always as identity primary key,
    key                   uuid not null unique,  -- what the ids of its executions are derived from
    tenant_id             uuid not null references afield.tenant,
    version               bigint not null default 1,
    kind                  text not null,
    title                 text not null,
    state                 text not null,
    reason_code           text,
    reason_text           text,
    started_by            text not null,
    batch_size            integer not null check (batch_size > 0),
    error_budget          integer not null check (error_budget >= 0),
    labels                jsonb not null default '{}',
    data                  jsonb not null default '{}',
    idempotency_key       text,
    print                 bytea not null,  -- of what was asked for, to recognise a repetition
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    finished_at           timestamptz,
    next_at               timestamptz,
    cancel_requested_at   timestamptz,
    rollback_requested_at timestamptz,
    archived_at           timestamptz,
    write_id              bigint,  -- of the last write, to recognise one that is made again after a lost answer
    open                  boolean not null generated always as (state in (
        'pending', 'waiting_approval', 'in_progress', 'paused', 'rolling_back')) stored
);
create index session_open on afield.session (next_at) where open;
create index session_of_tenant on afield.session (tenant_id, id desc);
create index session_labels on afield.session using gin (labels jsonb_path_ops) where labels <> '{}';
create unique index session_idempotency on afield.session (tenant_id, idempotency_key) where idempotency_key is not null;

create table afield.step (
    session_id   bigint not null references afield.session,
    number       integer not null check (number > 0),
    state        text not null,
    attempt      integer not null default 0,
    target_id    uuid references afield.target,
    execution_id uuid unique,
    body         jsonb not null,
    primary key (session_id, number)
);
create index step_running on afield.step (session_id) where state = 'running';
create index step_waiting on afield.step (session_id) where state = 'waiting_approval';

create table afield.session_rule (from_state text not null, to_state text not null, primary key (from_state, to_state));
create table afield.step_rule (from_state text not null, to_state text not null, primary key (from_state, to_state));

-- Events of sessions stand in the same feed as all others.
alter table afield.event alter column target_id drop not null;
alter table afield.event add column session_id bigint;
create index event_of_session on afield.event (session_id, seq) where session_id is not null;

create trigger session_changes_through_write_session
    before update on afield.session for each row
    when ((old.state, old.version) is distinct from (new.state, new.version)
          and current_setting('afield.gate', true) is distinct from 'open')
    execute function afield.refuse('the state of a session changes through afield.write_session only');

create trigger step_changes_through_write_session
    before update on afield.step for each row
    when ((old.state, old.attempt, old.execution_id) is distinct from (new.state, new.attempt, new.execution_id)
          and current_setting('afield.gate', true) is distinct from 'open')
    execute function afield.refuse('the state of a step changes through afield.write_session only');

create trigger session_begins_pending
    before insert on afield.session for each row
    when ((new.state, new.version) is distinct from ('pending', 1))
    execute function afield.refuse('a session begins pending, at its first version');

create trigger step_begins_pending
    before insert on afield.step for each row
    when ((new.state, new.attempt) is distinct from ('pending', 0)
          and current_setting('afield.gate', true) is distinct from 'open')
    execute function afield.refuse('a step begins pending, before its first attempt');

create trigger steps_stay
    before delete on afield.step for each row
    execute function afield.refuse('steps are never removed');

-- A session hears at once what is news to it of an execution: its handle, a reason, its end.
create function afield.tell_session_v1() returns trigger language plpgsql as $$
begin
    perform pg_notify('afield_session', new.labels ->> 'afield.session');
    return null;
end $$;

create trigger tells_its_session
    after update on afield.execution for each row
    when ((old.handle, old.reason_code, old.reason_text, old.open)
              is distinct from (new.handle, new.reason_code, new.reason_text, new.open)
          and new.labels ? 'afield.session')
    execute function afield.tell_session_v1();

create function afield.session_event_v1(
    at timestamptz, kind text, tenant uuid, session bigint, target uuid, execution uuid, before text, after text,
    attempt integer, actor text, reason_code text, reason_text text, data jsonb
) returns void language plpgsql as $$
declare
    number bigint;
begin
    select f.last_seq + 1 into strict number from afield.feed f;
    insert into afield.event (seq, at, kind, tenant_id, target_id, execution_id, from_state, to_state, attempt, actor,
                              reason_code, reason_text, data, session_id)
    values (number, at, kind, tenant, target, execution, before, after, attempt, actor, reason_code, reason_text,
            jsonb_strip_nulls(data), session);
    perform afield.tell_v1(number);
end $$;

-- Record a session with its steps; or find the one that was recorded under the same key. `fresh`: whether it is new.
create function afield.create_session_v1(given jsonb, steps jsonb)
returns table (id bigint, fresh boolean, same boolean) language plpgsql as $$
#variable_conflict use_column
declare
    made afield.session;
begin
    perform afield.lock_feed_v1();
    insert into afield.session (key, tenant_id, kind, title, state, started_by, batch_size, error_budget, labels, data,
                                idempotency_key, print, created_at, updated_at, next_at)
    select g.key, g.tenant_id, g.kind, g.title, 'pending', g.started_by, g.batch_size, g.error_budget, g.labels, g.data,
           g.idempotency_key, decode(g.print, 'hex'), g.created_at, g.created_at, g.created_at
    from jsonb_to_record(given) as g (
        key uuid, tenant_id uuid, kind text, title text, started_by text, batch_size integer, error_budget integer,
        labels jsonb, data jsonb, idempotency_key text, print text, created_at timestamptz)
    on conflict do nothing
    returning * into made;
    if made.id is null then
        return query
        select s.id, s.key = (given ->> 'key')::uuid, encode(s.print, 'hex') = given ->> 'print' from afield.session s
        where s.key = (given ->> 'key')::uuid
           or (s.tenant_id = (given ->> 'tenant_id')::uuid and s.idempotency_key = given ->> 'idempotency_key');
        return;
    end if;
    insert into afield.step (session_id, number, state, target_id, body)
    select made.id, i.number, 'pending', i.target_id, i.body
    from jsonb_to_recordset(steps -> 'items') as i (number integer, target_id uuid, body jsonb);
    perform afield.session_event_v1(made.created_at, 'session', made.tenant_id, made.id, null, null, null, 'pending',
                                    null, made.started_by, null, null, jsonb_build_object('title', made.title));
    perform pg_notify('afield_session', made.id::text);
    return query select made.id, true, true;
end $$;

-- Write a session as it is to be, with the steps that changed or are new, if its version still is the one expected.
-- Every change of state has to be an arrow of the tables of rules. Returns the new version; null: it was another.
-- `token`: names this writing, so that one that is repeated after a lost answer is recognised.
create function afield.write_session_v1(
    session bigint, expected bigint, given jsonb, steps jsonb, actor text, at timestamptz, note_code text,
    note_text text, token bigint
) returns bigint language plpgsql set afield.gate = 'open' as $$
declare
    was  afield.session;
    item record;
begin
    perform afield.lock_feed_v1();
    select s.* into was from afield.session s where s.id = session for update;
    if was.id is null or was.version <> expected then
        return case when was.write_id = token then was.version end;
    end if;
    if was.state <> given ->> 'state' and not exists (
        select from afield.session_rule r where r.from_state = was.state and r.to_state = given ->> 'state') then
        raise exception 'session %: no move from % to %', session, was.state, given ->> 'state'
            using errcode = 'check_violation';
    end if;
    update afield.session s set
        version = expected + 1, state = g.state, reason_code = g.reason_code, reason_text = g.reason_text,
        updated_at = at, finished_at = g.finished_at, next_at = g.next_at, data = g.data,
        cancel_requested_at = g.cancel_requested_at, rollback_requested_at = g.rollback_requested_at, write_id = token
    from jsonb_to_record(given) as g (
        state text, reason_code text, reason_text text, finished_at timestamptz, next_at timestamptz, data jsonb,
        cancel_requested_at timestamptz, rollback_requested_at timestamptz)
    where s.id = session;
    if was.state <> given ->> 'state' or note_code is not null then
        perform afield.session_event_v1(
            at, 'session', was.tenant_id, session, null, null, was.state, given ->> 'state', null, actor,
            coalesce(note_code, given ->> 'reason_code'), coalesce(note_text, given ->> 'reason_text'), '{}');
    end if;
    for item in
        select i.*, before.state as was_state
        from jsonb_to_recordset(steps -> 'items') as i (number integer, state text, attempt integer, target_id uuid,
                                                        execution_id uuid, body jsonb)
        left join afield.step before on before.session_id = session and before.number = i.number
        order by i.number
    loop
        if coalesce(item.was_state, 'pending') <> item.state and not exists (
            select from afield.step_rule r
            where r.from_state = coalesce(item.was_state, 'pending') and r.to_state = item.state) then
            raise exception 'session %, step %: no move from % to %', session, item.number,
                coalesce(item.was_state, 'pending'), item.state using errcode = 'check_violation';
        end if;
        insert into afield.step as s (session_id, number, state, attempt, target_id, execution_id, body)
        values (session, item.number, item.state, item.attempt, item.target_id, item.execution_id, item.body)
        on conflict (session_id, number) do update
        set state = excluded.state, attempt = excluded.attempt, target_id = excluded.target_id,
            execution_id = excluded.execution_id, body = excluded.body;
        if item.was_state is distinct from item.state then
            perform afield.session_event_v1(
                at, 'step', was.tenant_id, session, item.target_id, item.execution_id, item.was_state, item.state,
                item.attempt, actor, item.body -> 'reason' ->> 'code', item.body -> 'reason' ->> 'text',
                jsonb_build_object('number', item.number, 'name', item.body -> 'name', 'lane', item.body -> 'lane',
                                   'exit_code', item.body -> 'exit_code'));
        end if;
    end loop;
    if actor <> 'engine' then
        perform pg_notify('afield_session', session::text);
    end if;
    return expected + 1;
end $$;
