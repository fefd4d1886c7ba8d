-- A new execution as it comes in: the fields of model.execution.NewExecution, and its place in the batch.
create function afield.read_new_v1(items jsonb)
returns table (ord integer, id uuid, tenant uuid, target uuid, key text, resubmit text, timeout_s double precision,
               at timestamptz, labels jsonb, spec jsonb)
language sql stable as $$
    select i.ord::integer, i.id, i.tenant, i.target, i.key, i.resubmit, i.timeout_s, i.at, i.labels, i.spec
    from rows from (jsonb_to_recordset(items) as (
        id uuid, tenant uuid, target uuid, key text, resubmit text, timeout_s double precision, at timestamptz,
        labels jsonb, spec jsonb
    )) with ordinality as i (id, tenant, target, key, resubmit, timeout_s, at, labels, spec, ord)
$$;

-- Record a batch of executions. Per item the answer is one of
--   created          it is new
--   replayed         the same was recorded before under this key (or id): execution_id says which
--   key_used         the key was used before with another target, spec or labels
--   id_used          the id was
--   missing_target   the tenant has no such target
-- A refused item does not touch its neighbours.
-- `again`: the batch was sent before and its answer lost; what it had recorded is new, not replayed.
create function afield.create_executions_v1(items jsonb, again boolean default false)
returns table (ord integer, verdict text, execution_id uuid)
language plpgsql
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    made   uuid[];
    newest bigint;
begin
    perform afield.lock_feed_v1();
    select last_seq into strict newest from afield.feed;
    with added as (
        insert into afield.execution (id, tenant_id, target_id, state, resubmit, timeout_s, idempotency_key, labels, spec,
                                      created_at, state_at, updated_at)
        select i.id, i.tenant, i.target, 'queued', i.resubmit, i.timeout_s, i.key, i.labels, i.spec, i.at, i.at, i.at
        from afield.read_new_v1(items) i
        join afield.target t on t.id = i.target and t.tenant_id = i.tenant
        order by i.ord
        on conflict do nothing
        returning id, tenant_id, target_id, created_at
    ), told as (
        insert into afield.event (seq, at, kind, tenant_id, target_id, execution_id, to_state, actor)
        select newest + row_number() over (order by i.ord), a.created_at, 'created', a.tenant_id, a.target_id, a.id,
               'queued', 'user'
        from added a join (select id, min(ord) as ord from afield.read_new_v1(items) group by id) i on i.id = a.id
        returning execution_id
    )
    select array_agg(told.execution_id) into made from told;
    if made is not null then
        perform afield.tell_v1(newest + cardinality(made));
        perform pg_notify('afield_wake', woken.target_id::text)
        from (select distinct x.target_id from unnest(made) m join afield.execution x on x.id = m) woken;
    end if;
    return query
    select i.ord,
        case
            when t.id is null then 'missing_target'
            when x.id = i.id and x.id = any (made) and i.ord = min(i.ord) over (partition by i.id) then 'created'
            when (x.tenant_id, x.target_id, x.spec, x.labels) = (i.tenant, i.target, i.spec, i.labels)
                then case when again and x.id = i.id and x.created_at = i.at then 'created' else 'replayed' end
            when k.id is not null then 'key_used'
            else 'id_used'
        end,
        x.id
    from afield.read_new_v1(items) i
    left join afield.target t on t.id = i.target and t.tenant_id = i.tenant
    left join afield.execution k on k.tenant_id = i.tenant and k.idempotency_key = i.key
    left join afield.execution x on x.id = coalesce(k.id, i.id);
end $$;
