-- Versions of runbooks. They are kept for ever; only a draft's text changes.
create table afield.runbook (
    tenant_id   uuid not null references afield.tenant,
    runbook_id  text not null,
    version     text not null,
    revision    integer not null check (revision > 0),  -- counts the versions of one runbook
    status      text not null check (status in ('draft', 'approved', 'archived')),
    text        text not null,
    digest      text not null,
    title       text not null,
    service     text not null,
    env         text not null check (env in ('dev', 'staging', 'prod')),
    risk        text not null check (risk in ('low', 'medium', 'high')),
    created_by  text not null,  -- whoever wrote the text as it is
    created_at  timestamptz not null,
    approved_by text,
    approved_at timestamptz,
    archived_by text,
    archived_at timestamptz,
    primary key (tenant_id, runbook_id, version),
    unique (tenant_id, runbook_id, revision),
    check ((approved_by is null) = (approved_at is null)),
    check ((archived_by is null) = (archived_at is null)),
    check ((status = 'archived') = (archived_at is not null)),
    check (status <> 'approved' or approved_at is not null)
);
create index runbook_by_service on afield.runbook (tenant_id, service, env, status);

create function afield.guard_runbook() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'version % of runbook % is kept for ever', old.version, old.runbook_id;
    elsif old.status = 'archived' and new.status <> 'archived' or old.status = 'approved' and new.status = 'draft' then
        raise exception 'version % of runbook % cannot go back from %', old.version, old.runbook_id, old.status;
    elsif old.status <> 'draft' and new.text <> old.text then
        raise exception 'version % of runbook % is %, its text stays', old.version, old.runbook_id, old.status;
    end if;
    return new;
end;
$$;
create trigger guard_runbook before update or delete on afield.runbook
    for each row execute function afield.guard_runbook();
