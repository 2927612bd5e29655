package starrockssim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

func defaultConfig() map[string]string {
	return map[string]string{"run_mode": "shared_nothing", "enable_backup_materialized_view": "false", "default_replication_num": "3",
		"backup_job_default_timeout_ms": "86400000", "tablet_create_timeout_second": "10", "enable_colocate_restore": "false",
		"max_upload_task_per_be": "0", "max_download_task_per_be": "0", "history_job_keep_max_second": "604800", "enable_udf": "false"}
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
	case *sqlparse.ShowTableStatus, *sqlparse.ShowData, *sqlparse.ShowDynamicPartitions:
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
		var rows [][]any
		for _, name := range sortedKeys(c.repos) {
			r := c.repos[name]
			var errMsg any
			if r.errMsg != "" {
				errMsg = r.errMsg
			}
			rows = append(rows, []any{r.id, r.name, r.created, strconv.FormatBool(r.readOnly), r.location, "", errMsg})
		}
		slices.SortFunc(rows, func(a, b []any) int { return int(a[0].(int64) - b[0].(int64)) })
		return answer(words("RepoId RepoName CreateTime IsReadOnly Location Broker ErrMsg"), rows), nil
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
		rows = append(rows, []any{be.id, be.host, "9050", "9060", "8040", "8060", s.time(be.started), s.time(be.lastHeartbeat()), strconv.FormatBool(alive), "false", "false",
			len(be.tablets), "1.930 MB", "67.272 GB", "251.972 GB", "73.30 %", "73.30 %", errMsg, version,
			fmt.Sprintf(`{"lastSuccessReportTabletsTime":"%s"}`, be.lastHeartbeat().UTC().Format(time.DateTime)),
			"67.274 GB", "0.00 %", "2", "8.000GB", "0", "3.13 %", "1.0 %", "Status: Disabled", "", code})
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

func (s *session) showSnapshot(st *sqlparse.ShowSnapshot) (*mysqlwire.Result, error) {
	c := s.c
	c.mu.Lock()
	r := c.repos[st.Repository]
	err := s.mayRepository()
	led := s.fe.led
	c.mu.Unlock()
	if r == nil {
		return nil, analyzedDDL("Repository [%s] does not exist", st.Repository)
	}
	if err != nil {
		return nil, err
	}
	where, err := snapshotWhere(st.Where)
	if err != nil {
		return nil, err
	}
	if where.timestamp != "" {
		return s.snapshotDetails(r, where.label, where.timestamp, led)
	}
	labels := where.labels
	if labels == nil || where.in {
		all, err := r.labels(c.ctx)
		if err != nil {
			return nil, ddlError("Failed to list snapshot in repo: %s, err: %v", r.name, err)
		}
		if where.in {
			all = slices.DeleteFunc(all, func(l string) bool { return !slices.Contains(labels, l) })
		}
		labels = all
	}
	var rows [][]any
	for _, label := range labels {
		timestamps, status := r.timestamps(c, label)
		rows = append(rows, []any{label, timestamps, status})
	}
	return answer(words("Snapshot Timestamp Status"), rows), nil
}

// timestamps lists what SHOW SNAPSHOT shows of a label.
func (r *repository) timestamps(c *Cluster, label string) (list any, status string) {
	keys, err := r.list(c.ctx, r.snapshotDir(label)+"__info_")
	if err != nil {
		return nil, "ERROR: Failed to get info: " + err.Error()
	}
	var found []string
	for _, key := range keys {
		name := lastPart(key)
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || len(name)-dot-1 != 32 {
			found = append(found, "Invalid: "+name)
			continue
		}
		found = append(found, strings.TrimPrefix(name[:dot], "__info_"))
	}
	if len(found) == 0 {
		return "", "ERROR: no snapshot"
	}
	return strings.Join(found, "\n"), "OK"
}

func (s *session) snapshotDetails(r *repository, label, timestamp string, led bool) (*mysqlwire.Result, error) {
	names := words("Snapshot Timestamp Database Details Status")
	failed := func(text string) (*mysqlwire.Result, error) {
		return answer(names, [][]any{{label, timestamp, nil, nil, "Failed to get info: " + text}}), nil
	}
	if !led {
		return failed(fmt.Sprintf("failed to create local file: %s/backup/__info_%s, msg: No such file or directory", s.fe.tmpDir(), timestamp))
	}
	text, err := r.download(s.c, r.snapshotDir(label), "__info_"+timestamp)
	if err != nil {
		return failed(err.Error())
	}
	info, err := parseInfo(text)
	if err != nil {
		return nil, plainError("%v", err)
	}
	return answer(names, [][]any{{label, timestamp, info.Database, info.details(), "OK"}}), nil
}

// details is __info without ids, as org.json prints it with indent 1. backup_result is not read, and always succeed.
func (info *infoFile) details() string {
	var objects []string
	for _, name := range sortedKeys(info.Objects) {
		it := info.Objects[name]
		var parts []string
		for _, p := range sortedKeys(it.Partitions) {
			parts = append(parts, fmt.Sprintf("%q: {}", p))
		}
		body := "{" + strings.Join(parts, ", ") + "}"
		if len(parts) > 1 {
			body = "{\n   " + strings.Join(parts, ",\n   ") + "\n  }"
		}
		text := fmt.Sprintf("%q: {\"partitions\": %s}", name, body)
		if it.Auto > 0 {
			text = fmt.Sprintf("%q: {\n   \"autoIncrementId\": %d,\n   \"partitions\": %s\n  }", name, it.Auto, body)
		}
		objects = append(objects, text)
	}
	list := "{}"
	if len(objects) == 1 {
		list = "{" + objects[0] + "}"
	} else if len(objects) > 1 {
		list = "{\n  " + strings.Join(objects, ",\n  ") + "\n }"
	}
	return fmt.Sprintf("{\n \"database\": %q,\n \"meta_version\": %d,\n \"backup_time\": %d,\n \"name\": %q,\n \"starrocks_meta_version\": %d,\n \"backup_result\": \"succeed\",\n \"backup_objects\": %s\n}",
		info.Database, info.Meta, info.BackupTime, info.Name, info.SRMeta, list)
}

type snapshotFilter struct {
	label, timestamp string
	labels           []string
	in               bool
}

// snapshotWhere reads the WHERE of SHOW SNAPSHOT; operators are ignored, as the FE does.
func snapshotWhere(e sqlparse.Expr) (snapshotFilter, error) {
	var f snapshotFilter
	bad := analyzed("Where clause should looks like: SNAPSHOT = 'your_snapshot_name' [AND TIMESTAMP = '2018-04-18-19-19-10']")
	switch e := e.(type) {
	case nil:
		return f, nil
	case *sqlparse.In:
		f.in = true
		for _, x := range e.List {
			l, ok := x.(*sqlparse.Literal)
			if !ok || l.Kind != sqlparse.StringLiteral {
				return f, analyzed("Child of in predicate should be string value")
			}
			f.labels = append(f.labels, l.Value)
		}
		return f, nil
	case *sqlparse.Binary:
		if e.Op != "AND" {
			name, v, ok := nameAndText(e)
			if !ok || !strings.EqualFold(name, "SNAPSHOT") {
				return f, bad
			}
			if e.Op == "LIKE" {
				return f, nil
			}
			f.labels = []string{v}
			return f, nil
		}
		for _, side := range []sqlparse.Expr{e.Left, e.Right} {
			b, ok := side.(*sqlparse.Binary)
			if !ok {
				return f, bad
			}
			name, v, ok := nameAndText(b)
			switch {
			case ok && strings.EqualFold(name, "SNAPSHOT"):
				f.label = v
			case ok && strings.EqualFold(name, "TIMESTAMP"):
				f.timestamp = v
			default:
				return f, bad
			}
		}
		if f.label == "" || f.timestamp == "" {
			return f, bad
		}
		return f, nil
	}
	return f, bad
}

func nameAndText(b *sqlparse.Binary) (name, text string, ok bool) {
	ref, ok1 := b.Left.(*sqlparse.ColumnRef)
	l, ok2 := b.Right.(*sqlparse.Literal)
	if !ok1 || !ok2 || l.Kind != sqlparse.StringLiteral {
		return "", "", false
	}
	return ref.Parts[len(ref.Parts)-1], l.Value, true
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
	case strings.HasPrefix(key, "enable_"):
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
