// Columns of the pg_catalog relations, second half: see RelationColumnsA.swift.

let systemRelationColumnsB: StaticString = """
    12048 c v pg_sequences schemaname:19? sequencename:19? sequenceowner:19? data_type:2206? start_value:20?
      min_value:20? max_value:20? increment_by:20? cycle:16? cache_size:20? last_value:20?
    12104 c v pg_settings name:25? setting:25? unit:25? category:25? short_desc:25? extra_desc:25? context:25?
      vartype:25? source:25? min_val:25? max_val:25? enumvals:1009? boot_val:25? reset_val:25? sourcefile:25?
      sourceline:23? pending_restart:16?
    12005 c v pg_shadow usename:19? usesysid:26? usecreatedb:16? usesuper:16? userepl:16? usebypassrls:16?
      passwd:25? valuntil:1184? useconfig:1009?
    1214 c r pg_shdepend dbid:26 classid:26 objid:26 objsubid:23 refclassid:26 refobjid:26 deptype:18
    2396 c r pg_shdescription objoid:26 classoid:26 description:25
    3592 c r pg_shseclabel objoid:26 classoid:26 provider:25 label:25
    12222 c v pg_stat_activity datid:26? datname:19? pid:23? leader_pid:23? usesysid:26? usename:19?
      application_name:25? client_addr:25? client_hostname:25? client_port:23? backend_start:1184? xact_start:1184?
      query_start:1184? state_change:1184? wait_event_type:25? wait_event:25? state:25? backend_xid:28?
      backend_xmin:28? query_id:20? query:25? backend_type:25?
    12183 c v pg_stat_all_indexes relid:26? indexrelid:26? schemaname:19? relname:19? indexrelname:19?
      idx_scan:20? idx_tup_read:20? idx_tup_fetch:20?
    12142 c v pg_stat_all_tables relid:26? schemaname:19? relname:19? seq_scan:20? seq_tup_read:20? idx_scan:20?
      idx_tup_fetch:20? n_tup_ins:20? n_tup_upd:20? n_tup_del:20? n_tup_hot_upd:20? n_live_tup:20? n_dead_tup:20?
      n_mod_since_analyze:20? n_ins_since_vacuum:20? last_vacuum:1184? last_autovacuum:1184? last_analyze:1184?
      last_autoanalyze:1184? vacuum_count:20? autovacuum_count:20? analyze_count:20? autoanalyze_count:20?
    12285 c v pg_stat_archiver archived_count:20? last_archived_wal:25? last_archived_time:1184? failed_count:20?
      last_failed_wal:25? last_failed_time:1184? stats_reset:1184?
    12289 c v pg_stat_bgwriter checkpoints_timed:20? checkpoints_req:20? checkpoint_write_time:701?
      checkpoint_sync_time:701? buffers_checkpoint:20? buffers_clean:20? maxwritten_clean:20? buffers_backend:20?
      buffers_backend_fsync:20? buffers_alloc:20? stats_reset:1184?
    12266 c v pg_stat_database datid:26? datname:19? numbackends:23? xact_commit:20? xact_rollback:20?
      blks_read:20? blks_hit:20? tup_returned:20? tup_fetched:20? tup_inserted:20? tup_updated:20? tup_deleted:20?
      conflicts:20? temp_files:20? temp_bytes:20? deadlocks:20? checksum_failures:20? checksum_last_failure:1184?
      blk_read_time:701? blk_write_time:701? session_time:701? active_time:701? idle_in_transaction_time:701?
      sessions:20? sessions_abandoned:20? sessions_fatal:20? sessions_killed:20? stats_reset:1184?
    12271 c v pg_stat_database_conflicts datid:26? datname:19? confl_tablespace:20? confl_lock:20?
      confl_snapshot:20? confl_bufferpin:20? confl_deadlock:20?
    12297 c v pg_stat_progress_analyze pid:23? datid:26? datname:19? relid:26? phase:25? sample_blks_total:20?
      sample_blks_scanned:20? ext_stats_total:20? ext_stats_computed:20? child_tables_total:20?
      child_tables_done:20? current_child_table_relid:26?
    12317 c v pg_stat_progress_basebackup pid:23? phase:25? backup_total:20? backup_streamed:20?
      tablespaces_total:20? tablespaces_streamed:20?
    12307 c v pg_stat_progress_cluster pid:23? datid:26? datname:19? relid:26? command:25? phase:25?
      cluster_index_relid:26? heap_tuples_scanned:20? heap_tuples_written:20? heap_blks_total:20?
      heap_blks_scanned:20? index_rebuild_count:20?
    12322 c v pg_stat_progress_copy pid:23? datid:26? datname:19? relid:26? command:25? type:25?
      bytes_processed:20? bytes_total:20? tuples_processed:20? tuples_excluded:20?
    12312 c v pg_stat_progress_create_index pid:23? datid:26? datname:19? relid:26? index_relid:26? command:25?
      phase:25? lockers_total:20? lockers_done:20? current_locker_pid:20? blocks_total:20? blocks_done:20?
      tuples_total:20? tuples_done:20? partitions_total:20? partitions_done:20?
    12302 c v pg_stat_progress_vacuum pid:23? datid:26? datname:19? relid:26? phase:25? heap_blks_total:20?
      heap_blks_scanned:20? heap_blks_vacuumed:20? index_vacuum_count:20? max_dead_tuples:20? num_dead_tuples:20?
    12227 c v pg_stat_replication pid:23? usesysid:26? usename:19? application_name:25? client_addr:25?
      client_hostname:25? client_port:23? backend_start:1184? backend_xmin:28? state:25? sent_lsn:3220?
      write_lsn:3220? flush_lsn:3220? replay_lsn:3220? write_lag:1186? flush_lag:1186? replay_lag:1186?
      sync_priority:23? sync_state:25? reply_time:1184?
    12262 c v pg_stat_replication_slots slot_name:25? spill_txns:20? spill_count:20? spill_bytes:20?
      stream_txns:20? stream_count:20? stream_bytes:20? total_txns:20? total_bytes:20? stats_reset:1184?
    12244 c v pg_stat_subscription subid:26? subname:19? pid:23? relid:26? received_lsn:3220?
      last_msg_send_time:1184? last_msg_receipt_time:1184? latest_end_lsn:3220? latest_end_time:1184?
    12336 c v pg_stat_subscription_stats subid:26? subname:19? apply_error_count:20? sync_error_count:20?
      stats_reset:1184?
    12188 c v pg_stat_sys_indexes relid:26? indexrelid:26? schemaname:19? relname:19? indexrelname:19?
      idx_scan:20? idx_tup_read:20? idx_tup_fetch:20?
    12152 c v pg_stat_sys_tables relid:26? schemaname:19? relname:19? seq_scan:20? seq_tup_read:20? idx_scan:20?
      idx_tup_fetch:20? n_tup_ins:20? n_tup_upd:20? n_tup_del:20? n_tup_hot_upd:20? n_live_tup:20? n_dead_tup:20?
      n_mod_since_analyze:20? n_ins_since_vacuum:20? last_vacuum:1184? last_autovacuum:1184? last_analyze:1184?
      last_autoanalyze:1184? vacuum_count:20? autovacuum_count:20? analyze_count:20? autoanalyze_count:20?
    12275 c v pg_stat_user_functions funcid:26? schemaname:19? funcname:19? calls:20? total_time:701?
      self_time:701?
    12192 c v pg_stat_user_indexes relid:26? indexrelid:26? schemaname:19? relname:19? indexrelname:19?
      idx_scan:20? idx_tup_read:20? idx_tup_fetch:20?
    12161 c v pg_stat_user_tables relid:26? schemaname:19? relname:19? seq_scan:20? seq_tup_read:20? idx_scan:20?
      idx_tup_fetch:20? n_tup_ins:20? n_tup_upd:20? n_tup_del:20? n_tup_hot_upd:20? n_live_tup:20? n_dead_tup:20?
      n_mod_since_analyze:20? n_ins_since_vacuum:20? last_vacuum:1184? last_autovacuum:1184? last_analyze:1184?
      last_autoanalyze:1184? vacuum_count:20? autovacuum_count:20? analyze_count:20? autoanalyze_count:20?
    12293 c v pg_stat_wal wal_records:20? wal_fpi:20? wal_bytes:1700? wal_buffers_full:20? wal_write:20?
      wal_sync:20? wal_write_time:701? wal_sync_time:701? stats_reset:1184?
    12236 c v pg_stat_wal_receiver pid:23? status:25? receive_start_lsn:3220? receive_start_tli:23?
      written_lsn:3220? flushed_lsn:3220? received_tli:23? last_msg_send_time:1184? last_msg_receipt_time:1184?
      latest_end_lsn:3220? latest_end_time:1184? slot_name:25? sender_host:25? sender_port:23? conninfo:25?
    12147 c v pg_stat_xact_all_tables relid:26? schemaname:19? relname:19? seq_scan:20? seq_tup_read:20?
      idx_scan:20? idx_tup_fetch:20? n_tup_ins:20? n_tup_upd:20? n_tup_del:20? n_tup_hot_upd:20?
    12157 c v pg_stat_xact_sys_tables relid:26? schemaname:19? relname:19? seq_scan:20? seq_tup_read:20?
      idx_scan:20? idx_tup_fetch:20? n_tup_ins:20? n_tup_upd:20? n_tup_del:20? n_tup_hot_upd:20?
    12280 c v pg_stat_xact_user_functions funcid:26? schemaname:19? funcname:19? calls:20? total_time:701?
      self_time:701?
    12166 c v pg_stat_xact_user_tables relid:26? schemaname:19? relname:19? seq_scan:20? seq_tup_read:20?
      idx_scan:20? idx_tup_fetch:20? n_tup_ins:20? n_tup_upd:20? n_tup_del:20? n_tup_hot_upd:20?
    12196 c v pg_statio_all_indexes relid:26? indexrelid:26? schemaname:19? relname:19? indexrelname:19?
      idx_blks_read:20? idx_blks_hit:20?
    12209 c v pg_statio_all_sequences relid:26? schemaname:19? relname:19? blks_read:20? blks_hit:20?
    12170 c v pg_statio_all_tables relid:26? schemaname:19? relname:19? heap_blks_read:20? heap_blks_hit:20?
      idx_blks_read:20? idx_blks_hit:20? toast_blks_read:20? toast_blks_hit:20? tidx_blks_read:20? tidx_blks_hit:20?
    12201 c v pg_statio_sys_indexes relid:26? indexrelid:26? schemaname:19? relname:19? indexrelname:19?
      idx_blks_read:20? idx_blks_hit:20?
    12214 c v pg_statio_sys_sequences relid:26? schemaname:19? relname:19? blks_read:20? blks_hit:20?
    12175 c v pg_statio_sys_tables relid:26? schemaname:19? relname:19? heap_blks_read:20? heap_blks_hit:20?
      idx_blks_read:20? idx_blks_hit:20? toast_blks_read:20? toast_blks_hit:20? tidx_blks_read:20? tidx_blks_hit:20?
    12205 c v pg_statio_user_indexes relid:26? indexrelid:26? schemaname:19? relname:19? indexrelname:19?
      idx_blks_read:20? idx_blks_hit:20?
    12218 c v pg_statio_user_sequences relid:26? schemaname:19? relname:19? blks_read:20? blks_hit:20?
    12179 c v pg_statio_user_tables relid:26? schemaname:19? relname:19? heap_blks_read:20? heap_blks_hit:20?
      idx_blks_read:20? idx_blks_hit:20? toast_blks_read:20? toast_blks_hit:20? tidx_blks_read:20? tidx_blks_hit:20?
    3381 c r pg_statistic_ext oid:26 stxrelid:26 stxname:19 stxnamespace:26 stxowner:26 stxstattarget:23
      stxkeys:22 stxkind:1002 stxexprs:194?
    6100 c r pg_subscription oid:26 subdbid:26 subskiplsn:3220 subname:19 subowner:26 subenabled:16 subbinary:16
      substream:16 subtwophasestate:18 subdisableonerr:16 subconninfo:25 subslotname:19? subsynccommit:25
      subpublications:1009
    6102 c r pg_subscription_rel srsubid:26 srrelid:26 srsubstate:18 srsublsn:3220?
    12033 c v pg_tables schemaname:19? tablename:19? tableowner:19? tablespace:19? hasindexes:16? hasrules:16?
      hastriggers:16? rowsecurity:16?
    1213 c r pg_tablespace oid:26 spcname:19 spcowner:26 spcacl:1034? spcoptions:1009?
    12122 c v pg_timezone_abbrevs abbrev:25? utc_offset:1186? is_dst:16?
    12126 c v pg_timezone_names name:25? abbrev:25? utc_offset:1186? is_dst:16?
    3576 c r pg_transform oid:26 trftype:26 trflang:26 trffromsql:24 trftosql:24
    2620 c r pg_trigger oid:26 tgrelid:26 tgparentid:26 tgname:19 tgfoid:26 tgtype:21 tgenabled:18 tgisinternal:16
      tgconstrrelid:26 tgconstrindid:26 tgconstraint:26 tgdeferrable:16 tginitdeferred:16 tgnargs:21 tgattr:22
      tgargs:17 tgqual:194? tgoldtable:19? tgnewtable:19?
    3602 c r pg_ts_config oid:26 cfgname:19 cfgnamespace:26 cfgowner:26 cfgparser:26
    3600 c r pg_ts_dict oid:26 dictname:19 dictnamespace:26 dictowner:26 dicttemplate:26 dictinitoption:25?
    3601 c r pg_ts_parser oid:26 prsname:19 prsnamespace:26 prsstart:24 prstoken:24 prsend:24 prsheadline:24
      prslextype:24
    3764 c r pg_ts_template oid:26 tmplname:19 tmplnamespace:26 tmplinit:24 tmpllexize:24
    1247 c r pg_type oid:26 typname:19 typnamespace:26 typowner:26 typlen:21 typbyval:16 typtype:18 typcategory:18
      typispreferred:16 typisdefined:16 typdelim:18 typrelid:26 typsubscript:24 typelem:26 typarray:26 typinput:24
      typoutput:24 typreceive:24 typsend:24 typmodin:24 typmodout:24 typanalyze:24 typalign:18 typstorage:18
      typnotnull:16 typbasetype:26 typtypmod:23 typndims:23 typcollation:26 typdefaultbin:194? typdefault:25?
      typacl:1034?
    12014 c v pg_user usename:19? usesysid:26? usecreatedb:16? usesuper:16? userepl:16? usebypassrls:16?
      passwd:25? valuntil:1184? useconfig:1009?
    1418 c r pg_user_mapping oid:26 umuser:26 umserver:26 umoptions:1009?
    12327 c v pg_user_mappings umid:26? srvid:26? srvname:19? umuser:26? usename:19? umoptions:1009?
    12028 c v pg_views schemaname:19? viewname:19? viewowner:19? definition:25?
    """
