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

-- Write one event that is no move; returns its number. `token`, if given, names this writing, so that one that is
-- repeated after a lost answer is recognised.
create function afield.write_event_v1(
    at timestamptz, kind text, tenant_id uuid, target_id uuid, execution_id uuid, attempt integer, epoch bigint,
    actor text, reason_code text, reason_text text, data jsonb, token bigint
) returns bigint language plpgsql as $$
declare
    number bigint;
    found_seq bigint;
begin
    perform afield.lock_feed_v1();
    select f.last_seq + 1 into strict number from afield.feed f;
    select e.seq into found_seq from afield.event e
    where e.target_id = write_event_v1.target_id and e.seq > number - 10000 and e.move_id = token;
    if found_seq is not null then
        return found_seq;
    end if;
    insert into afield.event
    values (number, at, kind, tenant_id, target_id, execution_id, null, null, attempt, epoch, actor, reason_code,
            reason_text, coalesce(data, '{}'), token);
    perform afield.tell_v1(number);
    return number;
end $$;
