package starrockssim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

func defaultConfig() map[string]string {
	return map[string]string{"run_mode": "shared_nothing", "enable_backup_materialized_view": "false", "default_replication_num": "3",
		"backup_job_default_timeout_ms": "86400000", "tablet_create_timeout_second": "10", "enable_colocate_restore": "false",
		"max_upload_task_per_be": "0", "max_download_task_per_be": "0", "dynamic_partition_enable": "true", "dynamic_partition_check_interval_seconds": "600", "enable_display_shadow_partitions": "false", "history_job_keep_max_second": "604800", "enable_udf": "false"}
}

// show answers the SHOW statements that need no other locking; mu is held.
func (s *session) show(st sqlparse.Statement) (r *mysqlwire.Result, known bool, err error) {
	switch st := st.(type) {
	case *sqlparse.ShowSimple:
		r, err = s.showSimple(st)
	case *sqlparse.ShowBackup:
		r, err = s.showBackup(st)
	case *sqlparse.ShowRestore:
		r, err = s.showRestore(st)
	case *sqlparse.ShowDatabases:
		r, err = s.showDatabases(st)
	case *sqlparse.ShowTables:
		r, err = s.showTables(st)
	case *sqlparse.ShowPartitions:
		r, err = s.showPartitions(st)
	case *sqlparse.ShowCreate:
		r, err = s.showCreate(st)
	case *sqlparse.ShowTablet:
		r = s.showTablet(st)
	case *sqlparse.ShowTablets:
		r, err = s.showTablets(st)
	case *sqlparse.ShowResourceGroups:
		r = s.showResourceGroups(st)
	case *sqlparse.ShowGrants:
		r, err = s.showGrants(st)
	case *sqlparse.ShowVariables:
		r, err = s.showVariables(st)
	case *sqlparse.ShowProc:
		r, err = s.showProc(st)
	case *sqlparse.AdminShowConfig:
		r, err = s.showConfig(st)
	case *sqlparse.ShowRoutineLoad:
		r, err = s.showRoutineLoad(st)
	case *sqlparse.ShowFunctions:
		r, err = s.showFunctions(st)
	case *sqlparse.RefreshMaterializedView:
		r, err = s.c.refreshMV(s, st)
	case *sqlparse.ShowMaterializedViews:
		r, err = s.showMaterializedViews(st)
	case *sqlparse.ShowAlter:
		r, err = s.showAlter(st)
	case *sqlparse.ShowLoad:
		r = answer(loadColumns, nil)
	case *sqlparse.ShowDynamicPartitions:
		db, err := s.database(st.Database)
		if err != nil {
			return nil, true, err
		}
		r = answer(dynamicColumns, s.c.dynamicRows(db))
	case *sqlparse.ShowTableStatus, *sqlparse.ShowData:
		r = &mysqlwire.Result{Columns: columns([]string{"Name"})}
	default:
		return nil, false, nil
	}
	return r, true, err
}

var (
	frontendColumns = words("Id Name IP EditLogPort HttpPort QueryPort RpcPort Role ClusterId Join Alive ReplayedJournalId LastHeartbeat IsHelper ErrMsg StartTime Version")
	backendColumns  = words("BackendId IP HeartbeatPort BePort HttpPort BrpcPort LastStartTime LastHeartbeat Alive SystemDecommissioned ClusterDecommissioned TabletNum DataUsedCapacity AvailCapacity TotalCapacity UsedPct MaxDiskUsedPct ErrMsg Version Status DataTotalCapacity DataUsedPct CpuCores MemLimit NumRunningQueries MemUsedPct CpuUsedPct DataCacheMetrics Location StatusCode")
	backupColumns   = words("JobId SnapshotName DbName State BackupObjs CreateTime SnapshotFinishedTime UploadFinishedTime FinishedTime UnfinishedTasks Progress TaskErrMsg Status Timeout")
	restoreColumns  = words("JobId Label Timestamp DbName State AllowLoad ReplicationNum RestoreObjs CreateTime MetaPreparedTime SnapshotFinishedTime DownloadFinishedTime FinishedTime UnfinishedTasks Progress TaskErrMsg Status Timeout")
	tabletColumns   = words("TabletId ReplicaId BackendId SchemaHash Version VersionHash LstSuccessVersion LstSuccessVersionHash LstFailedVersion LstFailedVersionHash LstFailedTime DataSize RowCount State LstConsistencyCheckTime CheckVersion CheckVersionHash VersionCount PathHash MetaUrl CompactionStatus DiskRootPath IsConsistent Checksum")
	routineColumns  = words("Id Name CreateTime PauseTime EndTime DbName TableName State DataSourceType CurrentTaskNum JobProperties DataSourceProperties CustomProperties Statistic Progress TimestampProgress ReasonOfStateChanged ErrorLogUrls TrackingSQL OtherMsg LatestSourcePosition OffsetLag")
	procDBColumns   = words("TableId TableName IndexNum PartitionColumnName PartitionNum State Type LastConsistencyCheckTime ReplicaCount PartitionType StoragePath")
	loadColumns     = words("JobId Label State Progress Type Priority ScanRows FilteredRows UnselectedRows SinkRows EtlInfo TaskInfo ErrorMsg CreateTime EtlStartTime EtlFinishTime LoadStartTime LoadFinishTime TrackingSQL JobDetails Warehouse")
	txnColumns      = words("TransactionId Label Coordinator TransactionStatus LoadJobSourceType PrepareTime CommitTime PublishTime FinishTime Reason ErrorReplicasCount ListenerId TimeoutMs ErrMsg")
)

func words(s string) []string { return strings.Fields(s) }

func (s *session) showSimple(st *sqlparse.ShowSimple) (*mysqlwire.Result, error) {
	c := s.c
	switch st.What {
	case sqlparse.ShowFrontends, sqlparse.ShowBackends:
		if !s.has("OPERATE", "SYSTEM", nil, nil) && !s.has("NODE", "SYSTEM", nil, nil) {
			return nil, s.denied("OPERATE OR NODE", "SYSTEM")
		}
		if st.What == sqlparse.ShowFrontends {
			return answer(frontendColumns, c.frontendRows(s)), nil
		}
		return answer(backendColumns, c.backendRows(s)), nil
	case sqlparse.ShowRepositories:
		return s.showRepositories(), nil
	case sqlparse.ShowUsers:
		var rows [][]any
		for _, name := range sortedKeys(c.users) {
			rows = append(rows, []any{c.users[name].identity()})
		}
		return answer([]string{"User"}, rows), nil
	case sqlparse.ShowRoles:
		rows := [][]any{{"root", "true", "built-in root role which has all privileges on all objects"}}
		for _, name := range sortedKeys(c.roles) {
			rows = append(rows, []any{name, "false", nil})
		}
		return answer(words("Name Builtin Comment"), rows), nil
	case sqlparse.ShowCatalogs:
		return answer(words("Catalog Type Comment"), [][]any{{defaultCatalog, "Internal", "An internal catalog contains this cluster's self-managed tables."}}), nil
	case sqlparse.ShowStorageVolumes:
		return s.showStorageVolumes(), nil
	case sqlparse.ShowWarnings:
		return answer(words("Level Code Message"), nil), nil
	case sqlparse.ShowBroker:
		return answer(words("Name IP Port Alive LastStartTime LastUpdateTime ErrMsg"), nil), nil
	case sqlparse.ShowProcessList:
		return answer(words("ServerName Id User Host Db Command ConnectionStartTime Time State Info IsPending Warehouse"), nil), nil
	}
	return answer(words("Variable_name Value"), nil), nil
}

func (c *Cluster) backendRows(s *session) [][]any {
	var rows [][]any
	for _, be := range c.backends {
		errMsg, code := "", "OK"
		alive := be.aliveNow()
		if !alive {
			errMsg, code = "java.net.ConnectException: Connection refused (Connection refused)", "CONNECTION_ERROR"
		}
		version, _, _ := strings.Cut(c.opt.Version, "-")
		used := be.bytes()
		rows = append(rows, []any{be.id, be.host, "9050", "9060", "8040", "8060", s.time(be.started), s.time(be.lastHeartbeat()), strconv.FormatBool(alive), "false", "false",
			len(be.tablets), capacityText(used), capacityText(be.avail), capacityText(be.total), percent(be.total-be.avail, be.total), percent(be.total-be.avail, be.total), errMsg, version,
			fmt.Sprintf(`{"lastSuccessReportTabletsTime":"%s"}`, be.lastHeartbeat().UTC().Format(time.DateTime)),
			capacityText(used + be.avail), percent(used, used+be.avail), "2", "8.000GB", "0", "3.13 %", "1.0 %", "Status: Disabled", "", code})
	}
	return rows
}

func (s *session) showBackup(st *sqlparse.ShowBackup) (*mysqlwire.Result, error) {
	jobs, err := s.jobs(kindBackup, st.Database)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, j := range jobs {
		for _, w := range j.backup.wanted {
			// One table of one job without EXPORT empties the whole answer.
			if t := j.db.tables[w.table]; t != nil && t.kind == kindTable && !s.has("EXPORT", "TABLE", j.db, t) {
				return answer(backupColumns, nil), nil
			}
		}
		rows = append(rows, []any{j.id, j.label, j.dbName, j.state, j.objects, s.time(j.created), s.time(j.snapshotDone), s.time(j.transferDone), s.time(j.ended),
			pairs(j.unfinished), bracketed(j.progress), bracketed(j.taskErrs), j.statusText(), j.timeout})
	}
	return answer(backupColumns, rows), nil
}

func (s *session) showRestore(st *sqlparse.ShowRestore) (*mysqlwire.Result, error) {
	jobs, err := s.jobs(kindRestore, st.Database)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, j := range jobs {
		seen, ok := j.seen(s.fe)
		if !ok {
			continue
		}
		status := "[OK]"
		if seen.status != "" {
			status = seen.status
		}
		unfinished, progress, errs := "", "", ""
		if s.fe.index == s.c.leader {
			unfinished, progress, errs = pairs(j.unfinished), bracketed(j.progress), bracketed(j.taskErrs)
		}
		w := j.restore
		rows = append(rows, []any{seen.id, j.label, w.timestamp, j.dbName, seen.state, strconv.FormatBool(w.allowLoad), w.replication, j.objects, s.time(seen.created),
			s.time(seen.metaReady), s.time(seen.snapshotDone), s.time(seen.transferDone), s.time(seen.ended), unfinished, progress, errs, status, j.timeout})
	}
	return answer(restoreColumns, rows), nil
}

// jobs lists the last jobs of all databases, or of one, if they are of the kind.
func (s *session) jobs(kind, name string) ([]*job, error) {
	if name != "" && s.c.dbs[name] == nil && !isSystem(name) {
		return nil, unknownDatabase(name)
	}
	if err := s.mayRepository(); err != nil {
		return nil, err
	}
	var list []*job
	for _, j := range s.c.sortedJobs() {
		if j.kind == kind && s.c.dbs[j.db.name] == j.db && (name == "" || j.db.name == name) {
			list = append(list, j)
		}
	}
	return list, nil
}

func (s *session) showConfig(st *sqlparse.AdminShowConfig) (*mysqlwire.Result, error) {
	if err := s.may("OPERATE", "SYSTEM", nil, nil); err != nil {
		return nil, err
	}
	var rows [][]any
	for _, key := range sortedKeys(s.c.config) {
		if st.Like == nil || like(*st.Like, key) {
			rows = append(rows, []any{key, "[]", s.c.config[key], configType(key), strconv.FormatBool(key != "run_mode" && key != "enable_udf"), ""})
		}
	}
	return answer(words("Key AliasNames Value Type IsMutable Comment"), rows), nil
}

// configType is the Java type of a setting.
func configType(key string) string {
	switch {
	case key == "run_mode":
		return "String"
	case key == "default_replication_num":
		return "short"
	case key == "dynamic_partition_check_interval_seconds":
		return "long"
	case strings.HasPrefix(key, "enable_"), key == "dynamic_partition_enable":
		return "boolean"
	}
	return "int"
}

func (c *Cluster) setConfig(s *session, st *sqlparse.AdminSetConfig) error {
	if err := s.may("OPERATE", "SYSTEM", nil, nil); err != nil {
		return err
	}
	for _, p := range st.Properties {
		if _, ok := c.config[p.Key]; !ok || p.Key == "run_mode" {
			return plainError("Config '%s' does not exist or is not mutable", p.Key)
		}
		c.config[p.Key] = p.Value
	}
	return nil
}
