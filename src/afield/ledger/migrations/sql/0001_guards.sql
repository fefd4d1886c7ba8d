-- What the database refuses, whoever asks.

create function afield.refuse() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'check_violation';
end $$;

-- `afield.gate` is set by the functions below for as long as they run.
create trigger state_changes_through_apply_moves
    before update on afield.execution for each row
    when ((old.state, old.attempt) is distinct from (new.state, new.attempt)
          and current_setting('afield.gate', true) is distinct from 'open')
    execute function afield.refuse('the state of an execution changes through afield.apply_moves only');

create trigger begins_queued
    before insert on afield.execution for each row
    when (new.state <> 'queued' or new.attempt <> 0)
    execute function afield.refuse('an execution begins queued, before its first attempt');

create trigger history_stays
    before update on afield.event for each row
    execute function afield.refuse('events are never changed');

-- Everything that writes events takes this lock first and holds it until it commits. So numbers become visible in
-- order: whoever sees number n sees all numbers below it.
create function afield.lock_feed_v1() returns void language sql as $$
    select pg_advisory_xact_lock(4159126150)
$$;

create function afield.tell_v1(last_seq bigint) returns void language sql as $$
    update afield.feed set last_seq = tell_v1.last_seq;
    select pg_notify('afield_events', tell_v1.last_seq::text)
$$;

-- Write one event that is no move; returns its number.
create function afield.write_event_v1(
    at timestamptz, kind text, tenant_id uuid, target_id uuid, execution_id uuid, attempt integer, epoch bigint,
    actor text, reason_code text, reason_text text, data jsonb
) returns bigint language plpgsql as $$
declare
    number bigint;
begin
    perform afield.lock_feed_v1();
    select last_seq + 1 into strict number from afield.feed;
    insert into afield.event (
        seq, at, kind, tenant_id, target_id, execution_id, attempt, epoch, actor, reason_code, reason_text, data)
    values (number, at, kind, tenant_id, target_id, execution_id, attempt, epoch, actor, reason_code, reason_text, data);
    perform afield.tell_v1(number);
    return number;
end $$;
