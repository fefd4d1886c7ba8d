-- A move as it comes in: the fields of model.execution.Move, its place in the batch, and a number of its own.
create type afield.move_v1 as (
    ord             integer,
    round           integer,  -- the n-th move of its execution in this batch
    move_id         bigint,
    execution_id    uuid,
    expect          text,
    goal            text,
    changes         boolean,  -- not a note
    starts          boolean,  -- starts an attempt
    fresh           boolean,  -- a person starts it over
    attempt         integer,
    settles         integer,  -- the attempt it is about
    at              timestamptz,
    epoch           bigint,
    actor           text,
    reason_code     text,
    reason_text     text,
    handle          text,
    remote_status   text,
    retry_at        timestamptz,
    failures        integer,
    deadline_at     timestamptz,
    cancel_asked_at timestamptz,
    output_state    text,
    output          jsonb,
    data            jsonb
);

create function afield.read_moves_v1(moves jsonb) returns afield.move_v1[] language sql stable as $$
    select array_agg(row(
        m.ord, m.round, m.id, m.x, m.f, m.t,
        m.f <> m.t, m.f <> m.t and m.t = 'submitting', m.f = 'lost' and m.t = 'queued',
        m.n, coalesce(m.ad, m.n), m.at, m.ep, coalesce(m.by, 'engine'), m.rc, m.rt, m.h, m.rs, m.ra, m.fl, m.dl,
        m.ca, m.os, m.o,
        jsonb_strip_nulls(jsonb_build_object(
            'handle', m.h, 'remote_status', m.rs, 'output_state', m.os, 'adopted_attempt', m.ad))
    )::afield.move_v1 order by m.ord)
    from (
        select r.*, row_number() over (partition by r.x order by r.ord) as round
        from rows from (jsonb_to_recordset(moves) as (
            id bigint, x uuid, f text, t text, n integer, ad integer, at timestamptz, ep bigint, by text,
            rc text, rt text, h text, rs text, ra timestamptz, fl integer, dl timestamptz, ca timestamptz,
            os text, o jsonb
        )) with ordinality as r (id, x, f, t, n, ad, at, ep, by, rc, rt, h, rs, ra, fl, dl, ca, os, o, ord)
    ) m
$$;

-- Make a batch of moves: compare each with what is there, change the row, the attempt and the handle's owner, and
-- write the event, all in one statement per round. Later moves of one execution in a batch go to later rounds and
-- see what the earlier ones did. A refused move touches nothing, its neighbours included.
-- `again`: the batch was sent before and its answer lost; moves that had been made are recognised by their number.
create function afield.apply_moves_v1(moves jsonb, again boolean default false)
returns table (ord integer, verdict text, state text, seq bigint)
language plpgsql
set afield.gate = 'open'
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    items    afield.move_v1[];
    rounds   integer;
    before   bigint;
    newest   bigint;
begin
    perform afield.lock_feed_v1();
    items := afield.read_moves_v1(moves);
    select max(m.round) into rounds from unnest(items) m;
    select last_seq into strict before from afield.feed;
    newest := before;
    for this_round in 1 .. coalesce(rounds, 0) loop
        return query select r.ord, r.verdict, r.state, r.seq from afield.apply_round_v1(items, this_round, newest, again) r;
        select coalesce(max(e.seq), newest) into newest from afield.event e where e.seq > newest;
    end loop;
    if newest > before then
        perform afield.tell_v1(newest);
    end if;
    perform pg_notify('afield_wake', woken.target_id::text)
    from (select distinct x.target_id from unnest(items) m join afield.execution x on x.id = m.execution_id
          where m.epoch is null) woken;
end $$;

create function afield.apply_round_v1(items afield.move_v1[], this_round integer, newest bigint, again boolean)
returns table (ord integer, verdict text, state text, seq bigint)
language plpgsql
as $$
#variable_conflict use_column
begin
return query
with compared as materialized (
    select m.*, x.tenant_id, x.target_id, x.state as found, t.epoch as current_epoch, x.attempt as current_attempt,
        rule.from_state is not null or not m.changes as allowed, rule.outcome,
        case when again then (
            select e.seq from afield.event e where e.execution_id = m.execution_id and e.move_id = m.move_id
        ) end as told_seq,
        -- A subquery of its own, so that the index is asked for both columns, however small the table was at planning.
        case when m.handle is not null then (
            select h.execution_id from afield.handle h where h.target_id = x.target_id and h.handle = m.handle
        ) end as owner
    from unnest(items) m
    left join afield.execution x on x.id = m.execution_id
    left join afield.target t on t.id = x.target_id
    left join afield.move_rule rule on rule.from_state = m.expect and rule.to_state = m.goal
    where m.round = this_round
), said as (
    select c.*, case
        when target_id is null then 'missing'
        when told_seq is not null then 'repeated'
        when epoch <> current_epoch then 'stale_epoch'
        when found <> expect or current_attempt <> attempt - starts::integer then 'stale_state'
        when not allowed then 'forbidden'
        when owner <> execution_id then 'owned'
        else 'applied'
    end as answer
    from compared c
), judged as (
    -- Of several that claim one new handle together, the first gets it.
    select s.*, case
        when answer = 'applied' and handle is not null
             and row_number() over (partition by target_id, handle, answer order by ord) > 1 then 'owned'
        else answer
    end as verdict
    from said s
), numbered as materialized (
    select j.*, newest + count(*) filter (where verdict = 'applied') over (order by ord) as seq from judged j
), made as (
    select n.* from numbered n where verdict = 'applied'
), changed as (
    update afield.execution x set
        state = m.goal,
        attempt = case when m.starts then m.attempt else x.attempt end,
        failures = case when m.changes then coalesce(m.failures, 0) else coalesce(m.failures, x.failures) end,
        output_state = coalesce(m.output_state, x.output_state),
        output = coalesce(m.output, x.output),
        handle = case when m.starts then m.handle else coalesce(m.handle, x.handle) end,
        remote_status = case when m.starts then m.remote_status else coalesce(m.remote_status, x.remote_status) end,
        remote_seen_at = case when m.remote_status is not null then m.at when not m.starts then x.remote_seen_at end,
        reason_code = case when m.changes then m.reason_code else coalesce(m.reason_code, x.reason_code) end,
        reason_text = case when m.changes or m.reason_code is not null then m.reason_text else x.reason_text end,
        retry_at = case when m.changes then m.retry_at else coalesce(m.retry_at, x.retry_at) end,
        deadline_at = case when m.fresh then m.deadline_at else coalesce(m.deadline_at, x.deadline_at) end,
        cancel_requested_at = case when not m.fresh then x.cancel_requested_at end,
        cancel_asked_at = case when m.starts or m.fresh then m.cancel_asked_at
                               else coalesce(m.cancel_asked_at, x.cancel_asked_at) end,
        updated_at = m.at,
        state_at = case when m.changes then m.at else x.state_at end,
        intent_at = case when m.starts then m.at else x.intent_at end,
        submitted_at = case when m.changes and m.goal = 'submitted' then m.at
                            when not m.starts then x.submitted_at end,
        started_at = case when m.changes and m.goal = 'running' then coalesce(x.started_at, m.at)
                          when not m.starts then x.started_at end,
        finished_at = case when not m.changes then x.finished_at
                           when m.goal in ('succeeded', 'failed', 'cancelled', 'timed_out', 'rejected', 'lost')
                           then m.at end
    from made m where x.id = m.execution_id
), started as (
    insert into afield.attempt (execution_id, number, tenant_id, target_id, key, intent_at, handle)
    select m.execution_id, m.attempt, m.tenant_id, m.target_id,
           'afield-' || replace(m.execution_id::text, '-', '') || '-' || m.attempt, m.at, m.handle
    from made m where m.starts
), settled as (
    update afield.attempt a set
        outcome = coalesce(m.outcome, a.outcome),
        handle = coalesce(m.handle, a.handle),
        settled_at = case when m.outcome is null then a.settled_at else coalesce(a.settled_at, m.at) end
    from made m
    where a.execution_id = m.execution_id and a.number = m.settles and not m.starts
      and (m.outcome is not null or m.handle is not null)
), tied as (
    insert into afield.handle (target_id, handle, execution_id, tenant_id)
    select m.target_id, m.handle, m.execution_id, m.tenant_id from made m where m.handle is not null
    on conflict do nothing
), told as (
    insert into afield.event (seq, at, kind, tenant_id, target_id, execution_id, from_state, to_state, attempt, epoch,
                              actor, reason_code, reason_text, data, move_id)
    select m.seq, m.at, case when m.changes then 'moved' else 'noted' end, m.tenant_id, m.target_id, m.execution_id,
           m.expect, m.goal, m.attempt, m.epoch, m.actor, m.reason_code, m.reason_text, m.data, m.move_id
    from made m
)
select n.ord,
       case when n.verdict = 'repeated' then 'applied' else n.verdict end,
       case when n.verdict = 'applied' then n.goal else n.found end,
       case when n.verdict = 'applied' then n.seq else n.told_seq end
from numbered n;
end $$;
