-- Executions that the process which was asked for them drives itself. Until `inline_until`, by this database's clock,
-- no driver of the target touches one that is being submitted; after it, whoever drives the target finds out what
-- became of the attempt, as after the death of another driver.
alter table afield.execution add column inline_until timestamptz;

create type afield.created_v1 as (ord integer, verdict text, execution_id uuid);

-- Record a batch of executions together with the intent of their first attempt, and hold them. An item has the parts
-- `new` (see create_executions_v1), `move` (see apply_moves_v1) and `hold` (seconds). The answers are those of
-- create_executions_v1; only what is created gets its intent.
create function afield.begin_executions_v1(items jsonb, again boolean default false)
returns setof afield.created_v1
language plpgsql as $$
declare
    answers afield.created_v1[];
    moves   jsonb;
begin
    answers := array(
        select row(c.ord, c.verdict, c.execution_id)::afield.created_v1
        from afield.create_executions_v1(jsonb_path_query_array(items, '$[*].new'), again) c order by c.ord);
    select jsonb_agg(items -> a.ord - 1 -> 'move' order by a.ord) into moves
    from unnest(answers) a where a.verdict = 'created';
    if moves is not null then
        perform afield.apply_moves_v1(moves, again);
        update afield.execution x set inline_until = now() + make_interval(secs => (items -> a.ord - 1 ->> 'hold')::float8)
        from unnest(answers) a where a.verdict = 'created' and x.id = a.execution_id;
    end if;
    return query select * from unnest(answers);
end $$;

-- Hold executions for longer; tells which are still being submitted, and whether they are to be stopped: somebody asked
-- to cancel them, or their time is over.
create function afield.hold_executions_v1(ids uuid[], hold double precision)
returns table (execution_id uuid, stop boolean)
language sql as $$
    update afield.execution x set inline_until = now() + make_interval(secs => hold)
    where x.id = any (ids) and x.state = 'submitting'
    returning x.id, x.cancel_requested_at is not null or coalesce(x.deadline_at <= now(), false)
$$;
