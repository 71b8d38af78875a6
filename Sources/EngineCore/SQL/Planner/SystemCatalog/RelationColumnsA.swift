// Columns of the pg_catalog relations, A to O: OID, schema, kind, name, then column:type, `?` if it may be NULL; a line that
// begins with blanks continues the one before. Source: PostgreSQL 15; types that the engine lacks stand as text.

let systemRelationColumnsA: StaticString = """
    2600 c r pg_aggregate aggfnoid:24 aggkind:18 aggnumdirectargs:21 aggtransfn:24 aggfinalfn:24 aggcombinefn:24
      aggserialfn:24 aggdeserialfn:24 aggmtransfn:24 aggminvtransfn:24 aggmfinalfn:24 aggfinalextra:16
      aggmfinalextra:16 aggfinalmodify:18 aggmfinalmodify:18 aggsortop:26 aggtranstype:26 aggtransspace:23
      aggmtranstype:26 aggmtransspace:23 agginitval:25? aggminitval:25?
    2601 c r pg_am oid:26 amname:19 amhandler:24 amtype:18
    2602 c r pg_amop oid:26 amopfamily:26 amoplefttype:26 amoprighttype:26 amopstrategy:21 amoppurpose:18
      amopopr:26 amopmethod:26 amopsortfamily:26
    2603 c r pg_amproc oid:26 amprocfamily:26 amproclefttype:26 amprocrighttype:26 amprocnum:21 amproc:24
    2604 c r pg_attrdef oid:26 adrelid:26 adnum:21 adbin:194
    1249 c r pg_attribute attrelid:26 attname:19 atttypid:26 attstattarget:23 attlen:21 attnum:21 attndims:23
      attcacheoff:23 atttypmod:23 attbyval:16 attalign:18 attstorage:18 attcompression:18 attnotnull:16 atthasdef:16
      atthasmissing:16 attidentity:18 attgenerated:18 attisdropped:16 attislocal:16 attinhcount:23 attcollation:26
      attacl:1034? attoptions:1009? attfdwoptions:1009? attmissingval:2277?
    1261 c r pg_auth_members roleid:26 member:26 grantor:26 admin_option:16
    1260 c r pg_authid oid:26 rolname:19 rolsuper:16 rolinherit:16 rolcreaterole:16 rolcreatedb:16 rolcanlogin:16
      rolreplication:16 rolbypassrls:16 rolconnlimit:23 rolpassword:25? rolvaliduntil:1184?
    12085 c v pg_available_extension_versions name:19? version:25? installed:16? superuser:16? trusted:16?
      relocatable:16? schema:19? requires:1003? comment:25?
    12081 c v pg_available_extensions name:19? default_version:25? installed_version:25? comment:25?
    2605 c r pg_cast oid:26 castsource:26 casttarget:26 castfunc:26 castcontext:18 castmethod:18
    1259 c r pg_class oid:26 relname:19 relnamespace:26 reltype:26 reloftype:26 relowner:26 relam:26
      relfilenode:26 reltablespace:26 relpages:23 reltuples:700 relallvisible:23 reltoastrelid:26 relhasindex:16
      relisshared:16 relpersistence:18 relkind:18 relnatts:21 relchecks:21 relhasrules:16 relhastriggers:16
      relhassubclass:16 relrowsecurity:16 relforcerowsecurity:16 relispopulated:16 relreplident:18 relispartition:16
      relrewrite:26 relfrozenxid:28 relminmxid:28 relacl:1034? reloptions:1009? relpartbound:194?
    3456 c r pg_collation oid:26 collname:19 collnamespace:26 collowner:26 collprovider:18 collisdeterministic:16
      collencoding:23 collcollate:25? collctype:25? colliculocale:25? collversion:25?
    2606 c r pg_constraint oid:26 conname:19 connamespace:26 contype:18 condeferrable:16 condeferred:16
      convalidated:16 conrelid:26 contypid:26 conindid:26 conparentid:26 confrelid:26 confupdtype:18 confdeltype:18
      confmatchtype:18 conislocal:16 coninhcount:23 connoinherit:16 conkey:1005? confkey:1005? conpfeqop:1028?
      conppeqop:1028? conffeqop:1028? confdelsetcols:1005? conexclop:1028? conbin:194?
    2607 c r pg_conversion oid:26 conname:19 connamespace:26 conowner:26 conforencoding:23 contoencoding:23
      conproc:24 condefault:16
    12077 c v pg_cursors name:25? statement:25? is_holdable:16? is_binary:16? is_scrollable:16?
      creation_time:1184?
    1262 c r pg_database oid:26 datname:19 datdba:26 encoding:23 datlocprovider:18 datistemplate:16
      datallowconn:16 datconnlimit:23 datfrozenxid:28 datminmxid:28 dattablespace:26 datcollate:25 datctype:25
      daticulocale:25? datcollversion:25? datacl:1034?
    2964 c r pg_db_role_setting setdatabase:26 setrole:26 setconfig:1009?
    826 c r pg_default_acl oid:26 defaclrole:26 defaclnamespace:26 defaclobjtype:18 defaclacl:1034
    2608 c r pg_depend classid:26 objid:26 objsubid:23 refclassid:26 refobjid:26 refobjsubid:23 deptype:18
    2609 c r pg_description objoid:26 classoid:26 objsubid:23 description:25
    3501 c r pg_enum oid:26 enumtypid:26 enumsortorder:700 enumlabel:19
    3466 c r pg_event_trigger oid:26 evtname:19 evtevent:19 evtowner:26 evtfoid:26 evtenabled:18 evttags:1009?
    3079 c r pg_extension oid:26 extname:19 extowner:26 extnamespace:26 extrelocatable:16 extversion:25
      extconfig:1028? extcondition:1009?
    2328 c r pg_foreign_data_wrapper oid:26 fdwname:19 fdwowner:26 fdwhandler:26 fdwvalidator:26 fdwacl:1034?
      fdwoptions:1009?
    1417 c r pg_foreign_server oid:26 srvname:19 srvowner:26 srvfdw:26 srvtype:25? srvversion:25? srvacl:1034?
      srvoptions:1009?
    3118 c r pg_foreign_table ftrelid:26 ftserver:26 ftoptions:1009?
    12010 c v pg_group groname:19? grosysid:26? grolist:1028?
    2610 c r pg_index indexrelid:26 indrelid:26 indnatts:21 indnkeyatts:21 indisunique:16 indnullsnotdistinct:16
      indisprimary:16 indisexclusion:16 indimmediate:16 indisclustered:16 indisvalid:16 indcheckxmin:16
      indisready:16 indislive:16 indisreplident:16 indkey:22 indcollation:30 indclass:30 indoption:22 indexprs:194?
      indpred:194?
    12043 c v pg_indexes schemaname:19? tablename:19? indexname:19? tablespace:19? indexdef:25?
    2611 c r pg_inherits inhrelid:26 inhparent:26 inhseqno:23 inhdetachpending:16
    3394 c r pg_init_privs objoid:26 classoid:26 objsubid:23 privtype:18 initprivs:1034
    2612 c r pg_language oid:26 lanname:19 lanowner:26 lanispl:16 lanpltrusted:16 lanplcallfoid:26 laninline:26
      lanvalidator:26 lanacl:1034?
    2995 c r pg_largeobject_metadata oid:26 lomowner:26 lomacl:1034?
    12073 c v pg_locks locktype:25? database:26? relation:26? page:23? tuple:21? virtualxid:25? transactionid:28?
      classid:26? objid:26? objsubid:21? virtualtransaction:25? pid:23? mode:25? granted:16? fastpath:16?
      waitstart:1184?
    12038 c v pg_matviews schemaname:19? matviewname:19? matviewowner:19? tablespace:19? hasindexes:16?
      ispopulated:16? definition:25?
    2615 c r pg_namespace oid:26 nspname:19 nspowner:26 nspacl:1034?
    2616 c r pg_opclass oid:26 opcmethod:26 opcname:19 opcnamespace:26 opcowner:26 opcfamily:26 opcintype:26
      opcdefault:16 opckeytype:26
    2617 c r pg_operator oid:26 oprname:19 oprnamespace:26 oprowner:26 oprkind:18 oprcanmerge:16 oprcanhash:16
      oprleft:26 oprright:26 oprresult:26 oprcom:26 oprnegate:26 oprcode:24 oprrest:24 oprjoin:24
    2753 c r pg_opfamily oid:26 opfmethod:26 opfname:19 opfnamespace:26 opfowner:26
    6243 c r pg_parameter_acl oid:26 parname:25 paracl:1034?
    3350 c r pg_partitioned_table partrelid:26 partstrat:18 partnatts:21 partdefid:26 partattrs:22 partclass:30
      partcollation:30 partexprs:194?
    12018 c v pg_policies schemaname:19? tablename:19? policyname:19? permissive:25? roles:1003? cmd:25? qual:25?
      with_check:25?
    3256 c r pg_policy oid:26 polname:19 polrelid:26 polcmd:18 polpermissive:16 polroles:1028 polqual:194?
      polwithcheck:194?
    12095 c v pg_prepared_statements name:25? statement:25? prepare_time:1184? parameter_types:2211? from_sql:16?
      generic_plans:20? custom_plans:20?
    12090 c v pg_prepared_xacts transaction:28? gid:25? prepared:1184? owner:19? database:19?
    1255 c r pg_proc oid:26 proname:19 pronamespace:26 proowner:26 prolang:26 procost:700 prorows:700
      provariadic:26 prosupport:24 prokind:18 prosecdef:16 proleakproof:16 proisstrict:16 proretset:16
      provolatile:18 proparallel:18 pronargs:21 pronargdefaults:21 prorettype:26 proargtypes:30 proallargtypes:1028?
      proargmodes:1002? proargnames:1009? proargdefaults:194? protrftypes:1028? prosrc:25 probin:25? prosqlbody:194?
      proconfig:1009? proacl:1034?
    6104 c r pg_publication oid:26 pubname:19 pubowner:26 puballtables:16 pubinsert:16 pubupdate:16 pubdelete:16
      pubtruncate:16 pubviaroot:16
    6237 c r pg_publication_namespace oid:26 pnpubid:26 pnnspid:26
    6106 c r pg_publication_rel oid:26 prpubid:26 prrelid:26 prqual:194? prattrs:22?
    12068 c v pg_publication_tables pubname:19? schemaname:19? tablename:19? attnames:1003? rowfilter:25?
    3541 c r pg_range rngtypid:26 rngsubtype:26 rngmultitypid:26 rngcollation:26 rngsubopc:26 rngcanonical:24
      rngsubdiff:24
    6000 c r pg_replication_origin roident:26 roname:25
    12332 c v pg_replication_origin_status local_id:26? external_id:25? remote_lsn:3220? local_lsn:3220?
    12257 c v pg_replication_slots slot_name:19? plugin:19? slot_type:25? datoid:26? database:19? temporary:16?
      active:16? active_pid:23? xmin:28? catalog_xmin:28? restart_lsn:3220? confirmed_flush_lsn:3220? wal_status:25?
      safe_wal_size:20? two_phase:16?
    2618 c r pg_rewrite oid:26 rulename:19 ev_class:26 ev_type:18 ev_enabled:18 is_instead:16 ev_qual:194
      ev_action:194
    12000 c v pg_roles rolname:19? rolsuper:16? rolinherit:16? rolcreaterole:16? rolcreatedb:16? rolcanlogin:16?
      rolreplication:16? rolconnlimit:23? rolpassword:25? rolvaliduntil:1184? rolbypassrls:16? rolconfig:1009?
      oid:26?
    12023 c v pg_rules schemaname:19? tablename:19? rulename:19? definition:25?
    3596 c r pg_seclabel objoid:26 classoid:26 objsubid:23 provider:25 label:25
    12099 c v pg_seclabels objoid:26? classoid:26? objsubid:23? objtype:25? objnamespace:26? objname:25?
      provider:25? label:25?
    2224 c r pg_sequence seqrelid:26 seqtypid:26 seqstart:20 seqincrement:20 seqmax:20 seqmin:20 seqcache:20
      seqcycle:16
    """
