-- The two roles of the service. PostgreSQL of deploy/compose.yaml runs this on its first start; elsewhere a superuser
-- runs it once, in the database of the service:
--
--   OWNER_PASSWORD=… SERVICE_PASSWORD=… psql --file=deploy/roles.sql auth
--
-- auth_owner has the tables: `migrate up --grant-to auth` is run as it.
-- auth is what nodes sign in as: it changes no schema, and the audit trail it can only read and add to.
\set ON_ERROR_STOP on
\if :{?owner}
\else
    \set owner auth_owner
\endif
\if :{?service}
\else
    \set service auth
\endif
\getenv owner_password OWNER_PASSWORD
\if :{?owner_password}
\else
    \set owner_password `cat /run/secrets/owner_password`
\endif
\getenv service_password SERVICE_PASSWORD
\if :{?service_password}
\else
    \set service_password `cat /run/secrets/service_password`
\endif

SELECT '' IN (:'owner_password', :'service_password') AS lacks_password \gset
\if :lacks_password
    DO $$ BEGIN RAISE EXCEPTION 'OWNER_PASSWORD and SERVICE_PASSWORD have to be set'; END $$;
\endif

CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE :"service" LOGIN PASSWORD :'service_password';
-- Nobody else comes in, and nobody but the owner makes anything.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO :"owner", :"service";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
