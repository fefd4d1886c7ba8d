-- What a driver does beside moves.

-- Raise the target's epoch. It takes the lock of the feed, so that when it returns, no move of an earlier driver is
-- still on its way to a commit.
create function afield.take_v1(target uuid, new_driver text, at timestamptz) returns setof afield.target
language plpgsql as $$
begin
    perform afield.lock_feed_v1();
    return query
    update afield.target t set epoch = t.epoch + 1, driver = new_driver, driver_since = at
    where t.id = target returning t.*;
    perform pg_notify('afield_wake', target::text);
end $$;

-- Remember a look and what it showed; null: no such target, false: the epoch is stale.
create function afield.looked_v1(
    target uuid, driver_epoch bigint, new_look jsonb,
    ids uuid[], statuses text[], seen_ats timestamptz[], next_ats timestamptz[]
) returns boolean language plpgsql as $$
declare
    was afield.target;
begin
    perform afield.lock_feed_v1();
    select t.* into was from afield.target t where t.id = target;
    if was.epoch is distinct from driver_epoch then
        return case when was.id is not null then false end;
    end if;
    if new_look ->> 'completed_at' is null then
        new_look := new_look || jsonb_build_object('completed_at',
            case when (new_look ->> 'complete')::boolean then new_look -> 'taken_at' else was.look -> 'completed_at' end);
    end if;
    update afield.target t set look = new_look where t.id = target;
    update afield.execution x
    set remote_status = s.status, remote_seen_at = s.seen_at, next_at = s.next_at
    from rows from (unnest(ids), unnest(statuses), unnest(seen_ats), unnest(next_ats))
        as s (id, status, seen_at, next_at)
    where x.id = s.id and x.target_id = target;
    if (was.look -> 'complete', was.look ->> 'error') is distinct from (new_look -> 'complete', new_look ->> 'error') then
        perform afield.write_event_v1(
            (new_look ->> 'taken_at')::timestamptz, 'looked', was.tenant_id, target, null, null, driver_epoch, 'engine',
            null, null, jsonb_build_object(
                'complete', new_look -> 'complete', 'entries', new_look -> 'entries', 'error', new_look -> 'error'), null);
    end if;
    return true;
end $$;

create function afield.request_cancel_v1(execution uuid, actor text, at timestamptz) returns void
language plpgsql as $$
declare
    asked afield.execution;
begin
    perform afield.lock_feed_v1();
    update afield.execution x set cancel_requested_at = at, updated_at = at
    where x.id = execution and x.cancel_requested_at is null
      and x.state in ('queued', 'submitting', 'unconfirmed', 'submitted', 'running')
    returning x.* into asked;
    if asked.id is not null then
        perform afield.write_event_v1(at, 'cancel_requested', asked.tenant_id, asked.target_id, asked.id, asked.attempt,
                                      null, actor, null, null, '{}', null);
        perform pg_notify('afield_wake', asked.target_id::text);
    end if;
end $$;
