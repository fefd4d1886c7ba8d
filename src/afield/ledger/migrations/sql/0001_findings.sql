-- Keep one look's findings that need attention; after a complete look, open ones that are not among them are
-- resolved. An event tells what is newly open or resolved, unless it is ignored.
create function afield.report_v1(target uuid, findings jsonb, complete boolean, at timestamptz) returns void
language plpgsql as $$
declare
    tenant uuid;
    told   record;
begin
    perform afield.lock_feed_v1();
    select t.tenant_id into strict tenant from afield.target t where t.id = target;
    for told in
        with given as (
            select f.* from jsonb_to_recordset(findings) as f (
                id uuid, fingerprint text, kind text, execution_id uuid, body jsonb)
        ), before as (
            select k.* from afield.finding k where k.target_id = target
        ), kept as (
            insert into afield.finding as k (id, tenant_id, target_id, fingerprint, kind, execution_id, body,
                                             first_seen_at, last_seen_at)
            select g.id, tenant, target, g.fingerprint, g.kind, g.execution_id, g.body, at, at from given g
            on conflict (target_id, fingerprint) do update set
                body = excluded.body, last_seen_at = excluded.last_seen_at, resolved_at = null,
                first_seen_at = case when k.resolved_at is null or k.ignored then k.first_seen_at
                                     else excluded.first_seen_at end
        ), resolved as (
            update afield.finding k set resolved_at = at
            where complete and k.target_id = target and k.resolved_at is null
              and k.fingerprint not in (select g.fingerprint from given g)
            returning k.fingerprint, k.kind, k.execution_id, k.ignored
        )
        select 'opened' as change, g.fingerprint, g.kind, g.execution_id
        from given g left join before b on b.fingerprint = g.fingerprint
        where b.id is null or (b.resolved_at is not null and not b.ignored)
        union all
        select 'resolved', r.fingerprint, r.kind, r.execution_id from resolved r where not r.ignored
    loop
        perform afield.write_event_v1(
            at, 'finding', tenant, target, told.execution_id, null, null, 'engine', null, null,
            jsonb_build_object('change', told.change, 'kind', told.kind, 'fingerprint', told.fingerprint), null);
    end loop;
end $$;

-- Returns whether there is such a finding.
create function afield.ignore_finding_v1(target uuid, print text, actor text, at timestamptz) returns boolean
language plpgsql as $$
declare
    found_one afield.finding;
begin
    perform afield.lock_feed_v1();
    update afield.finding k set ignored = true where k.target_id = target and k.fingerprint = print
    returning k.* into found_one;
    if found_one.id is not null then
        perform afield.write_event_v1(
            at, 'finding', found_one.tenant_id, target, found_one.execution_id, null, null, actor, null, null,
            jsonb_build_object('change', 'ignored', 'kind', found_one.kind, 'fingerprint', print), null);
    end if;
    return found_one.id is not null;
end $$;
