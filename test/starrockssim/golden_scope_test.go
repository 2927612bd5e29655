package starrockssim_test

import (
	"strings"
	"time"

	"starkeep/starrocks"
	"starkeep/test/starrockssim"
)

// scopes are tried in order.
var scopes []scope

func init() {
	scopes = []scope{
		{files: "02-*.jsonl", full: true},
		{files: "04-*.jsonl", full: true, except: []exception{{line: 122, reason: noPartitions}, {line: 135, reason: noPartitions}}},
		{files: "06-*.jsonl", full: true, except: []exception{
			{line: 171, reason: besideB}, {line: 172, reason: besideB}, {line: 175, reason: besideB},
		}},
		{files: "06b-*.jsonl", full: true, except: []exception{
			{line: 33, reason: besideA}, {line: 34, reason: besideA}, {line: 35, reason: besideA}, {line: 36, reason: besideA},
		}, prelude: func(p *player) {
			p.playFirst("06-restore-new.jsonl", func(*step) bool { return false })
		}},
		{files: "08b-*.jsonl", full: true, notes: emptyDirectory},
		{files: "08c-*.jsonl", full: true, prelude: func(p *player) {
			p.playFirst("08-restore-refused.jsonl", func(s *step) bool { return strings.HasPrefix(s.SQL, "SHOW SNAPSHOT") })
			p.damagedInfos()
		}},
		{files: "21-*.jsonl", full: true, prelude: func(p *player) { p.repository("rb", "s3://sr-backup/b/rb") }, notes: slowUploads, except: []exception{
			{file: "cancel-texts", line: 17, reason: "two tasks that happened to be in flight"},
		}},
		{files: "22-restore-task-failures-repository-*.jsonl", full: true, prelude: func(p *player) {
			p.repository("rb", "s3://sr-backup/b/rb")
		}},
		{files: "25-fe-restart-[br][ks]_*-3.jsonl", full: true, prelude: restartSource("3", "2026-11-22-16-14-57-711")},
		{files: "25-fe-restart-[br][ks]_*.jsonl", full: true, prelude: restartSource("1", "2026-11-22-16-01-56-236")},
		{files: "26-followers-takeover-*.jsonl", full: true, frontends: 3, except: []exception{
			{file: "control", match: "FROM k_", reason: "the jobs of the recordings beside it, which are compared there"},
			{file: "control", match: "SHOW FRONTENDS", reason: "names, addresses and order of the recorded FEs"},
			{file: "bk_upload_info", line: 12, reason: sharedTemp},
			{file: "bk_upload_info", line: 13, reason: sharedTemp},
			{file: "bk_upload_info", line: 15, reason: sharedTemp},
		}, prelude: func(p *player) {
			p.repository("rf", "s3://sr-backup/b/rf")
			p.source("f_src", []string{"t"}, 3)
			p.backup("rf", "f_src", "sf1", "2026-11-22-16-18-30-626")
		}},
		{files: "27-timeout-property.jsonl", full: true, prelude: func(p *player) {
			p.repository("rc", "s3://sr-backup/b/rc")
		}},
		{files: "27-*.jsonl", full: true, tick: 400 * time.Millisecond, prelude: func(p *player) {
			p.repository("rc", "s3://sr-backup/b/rc")
			p.source("b27src", []string{"t"}, 2)
			p.backup("rc", "b27src", "s27", recordedStamp(p))
			if strings.Contains(p.file, "restore-snapshoting") {
				p.held = p.c.HoldTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT"})
			}
		}},
		{files: "20-*.jsonl", prelude: sourceIn("rb", "")},
		{files: "22-*-be-down-*.jsonl", prelude: sourceIn("rb", "20-be-down-control.jsonl")},
		{files: "22-*-be-hang-*.jsonl", prelude: sourceIn("rb", "20-be-hang-control.jsonl")},
		{files: "22-*-be-restart-*.jsonl", prelude: sourceIn("rb", "20-be-restart-control.jsonl")},
		{files: "22-*-control.jsonl", prelude: sourceIn("rb", "")},
		{files: "22-*.jsonl", prelude: sourceIn("rb", "22-restore-task-failures-control.jsonl")},
		{files: "23-*-control.jsonl", prelude: sourceIn("rb", "")},
		{files: "23-*.jsonl", prelude: sourceIn("rb", "23-restore-cancel-control.jsonl")},
		{files: "24-*-load-committed-not-visible-control.jsonl", prelude: sourceIn("rc", "")},
		{files: "24-*-released-in-snapshoting.jsonl", full: true, prelude: sourceIn("rc", "24-table-during-restore-load-committed-not-visible-control.jsonl")},
		{files: "24-*-load-committed-*.jsonl", prelude: sourceIn("rc", "24-table-during-restore-load-committed-not-visible-control.jsonl")},
		{files: "24-*-control*.jsonl", prelude: sourceIn("rb", "")},
		{files: "24-*-rename-database-*.jsonl", prelude: sourceIn("rb", "24-table-during-restore-control-2.jsonl")},
		{files: "24-*.jsonl", prelude: sourceIn("rb", "24-table-during-restore-control.jsonl")},
		{files: "25-*race-control.jsonl", prelude: sourceIn("rc", "")},
		{files: "25-*race-?.jsonl", prelude: sourceIn("rc", "25-fe-restart-create-race-control.jsonl")},
		{files: "25-*.jsonl", prelude: sourceIn("rc", "")},
		{files: "26-*.jsonl", frontends: 3, prelude: sourceIn("rf", "")},
		{files: "28-*.jsonl", prelude: sourceIn("rb", "")},
		{files: "29-*.jsonl", prelude: sourceIn("rc", "")},
		{files: "40-*.jsonl", full: true},
		{files: "40b-*.jsonl", prelude: after("40-alias-hazard.jsonl")},
		{files: "41b-*.jsonl", prelude: func(p *player) {
			after("41-list-partitions.jsonl")(p)
			for _, db := range []string{"lp2", "lp3", "lp4", "lp5"} {
				p.must("DROP DATABASE " + db + " FORCE")
			}
		}},
		{files: "41d-*.jsonl", prelude: after("41c-dynamic-partitions.jsonl")},
		{files: "42-*.jsonl", full: true, except: []exception{{match: "SELECT * FROM vw4.v", reason: "the stand-in BEs could not read"}}},
		{files: "45-*.jsonl", full: true, prelude: colocationBefore},
		{files: "45b-*.jsonl", full: true, except: []exception{{line: 11, reason: whichGroup}, {line: 13, reason: whichGroup}, {line: 18, reason: whichGroup}}, prelude: func(p *player) {
			colocationBefore(p)
			after("45-colocate.jsonl")(p)
		}},
		{files: "47-*.jsonl", before: map[int]func(*player){11: func(p *player) { p.must("USE sw") }}},
		{files: "49-*.jsonl", full: true, except: []exception{{line: 52, reason: seeded}, {line: 54, reason: seeded}, {line: 87, reason: seeded}}, before: map[int]func(*player){72: idle("ps"), 75: idle("ps"), 78: idle("ps"), 81: idle("ps"), 84: idle("ps"), 87: idle("ps")}},
		{files: "46c-*.jsonl", prelude: after("46-properties-kept.jsonl")},
		{files: "48b-*.jsonl", prelude: after("48-composite-snapshot.jsonl")},
		{files: "48d-*.jsonl", prelude: after("48-composite-snapshot.jsonl", "48b-composite-rules.jsonl")},
		{files: "48e-*.jsonl", prelude: after("48-composite-snapshot.jsonl", "48b-composite-rules.jsonl", "48d-composite-rules-3.jsonl")},
		{files: "48f-*.jsonl", prelude: after("48-composite-snapshot.jsonl", "48b-composite-rules.jsonl")},
		{files: "48g-*.jsonl", prelude: after("48-composite-snapshot.jsonl", "48b-composite-rules.jsonl")},
		{files: "50-*.jsonl", full: true},
		{files: "50b-*.jsonl", prelude: after("50-s3-side.jsonl")},
		{files: "51b-*.jsonl", prelude: after("51-labels-and-names.jsonl")},
		{files: "51c-*.jsonl", prelude: after("51-labels-and-names.jsonl")},
		{files: "41c-*.jsonl", full: true},
		{files: "46b-*.jsonl", full: true},
		{files: "60-*.jsonl", full: true, except: []exception{
			{match: "show load", reason: "load jobs of materialized views' refreshes: the simulator computes none"},
			{match: "select count(*)", reason: "the stand-in BEs could not read"},
		}},
		{files: "61-*.jsonl", full: true},
		{files: "62-*.jsonl", full: true, before: map[int]func(*player){27: renamedCopy}},
	}
}

// renamedCopy puts a second __info with renamed tables into the snapshot of file 62, and its __meta into another.
func renamedCopy(p *player) {
	root := "d/62/__starrocks_repository_r62_zero_copy_rename/__ss_"
	var info, meta []byte
	for _, k := range p.listed(root + "full62/__") {
		switch {
		case strings.Contains(k, "/__info_"):
			info = p.read(k)
		case strings.Contains(k, "/__meta."):
			meta = p.read(k)
		}
	}
	info, meta, err := starrocks.RenameTables(info, meta, "starkeepmeta62", map[string]string{
		"t": "t__restore", "pk": "pk__restore", "l": "l__restore", "auto": "auto__restore",
	})
	if err != nil {
		panic(setupError{err})
	}
	p.write(root+"full62/__info_2025-06-01-00-00-00-062."+md5hex(info), info)
	p.write(root+"starkeepmeta62/__meta."+md5hex(meta), meta)
}

// after plays what was recorded before on the same FE: databases, repositories and snapshots are there then.
func after(recordings ...string) func(*player) {
	return func(p *player) {
		for _, file := range recordings {
			p.playFirst(file, func(*step) bool { return false })
		}
	}
}

const colocated = " (k int, v int) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3 PROPERTIES('replication_num'='1', 'colocate_with'='g1')"

// colocationBefore is what an earlier run of recording 45 left behind: a repository, and a group of dropped tables.
func colocationBefore(p *player) {
	p.repository("r45_colocate", "s3://sr-backup/c/45-colocate")
	for _, sql := range []string{"CREATE DATABASE earlier", "CREATE TABLE earlier.a" + colocated, "CREATE TABLE earlier.b" + colocated, "DROP DATABASE earlier FORCE"} {
		p.must(sql)
	}
}

// idle waits for the end of a database's BACKUP, which a recording did without a step.
func idle(db string) func(*player) {
	return func(p *player) {
		p.until(func() bool {
			r := p.must("SHOW BACKUP FROM `" + db + "`")
			return terminal(stateOf(r.names(), r.rows))
		})
	}
}

const noPartitions = "the stand-in BEs' INSERT makes no partitions; a BE's does"

const sharedTemp = "the recorded FEs shared a file system, so the new leader found the old one's files; the simulator's do not, as in takeover3-bk_upload_info_files_lost"

const whichGroup = "which of several groups of one name the FE names is a matter of its hash table; the rule and the rest of the text agree"

const seeded = "what comes of objects that were put there beforehand by hand, which is not played"

const besideB = "what 06b did beside it"

const besideA = "jobs of 06, which ran beside it"

// sourceIn makes a repository, and what another recording of the group put into it.
func sourceIn(repository, recording string) func(*player) {
	return func(p *player) {
		p.repository(repository, "s3://sr-backup/b/"+repository)
		if recording != "" {
			p.playFirst(recording, func(s *step) bool { return s.Step == "watch" })
		}
	}
}

// restartSource makes what file 25 began with.
func restartSource(round, stamp string) func(*player) {
	return func(p *player) {
		p.repository("rc", "s3://sr-backup/b/rc")
		p.source("r"+round+"_src", []string{"t", "pk"}, 4)
		p.backup("rc", "r"+round+"_src", "s0_"+round, stamp)
		switch {
		case strings.HasPrefix(p.file, "25-fe-restart-bk_finished"), strings.HasPrefix(p.file, "25-fe-restart-rs_pending_new"):
			p.firstToFail(round, stamp)
		case strings.HasPrefix(p.file, "25-fe-restart-rs_") && !strings.Contains(p.file, "rs_pending"):
			p.held = p.c.HoldTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT"})
		}
	}
}

// firstToFail begins a RESTORE that is in SNAPSHOTING when the FE is killed: as in the recording it is the one whose
// replicas cannot be created after the restart, so that the job of the file finds the FE ready.
func (p *player) firstToFail(round, stamp string) {
	p.must("CREATE DATABASE race")
	p.c.HoldStates("race", "SNAPSHOTING")
	p.must(p.match.replace("RESTORE SNAPSHOT race.s0_"+round+" FROM rc ON (t) PROPERTIES('backup_timestamp'='"+stamp+"', 'replication_num'='1')", false))
	p.until(func() bool {
		r := p.must("SHOW RESTORE FROM race")
		return stateOf(r.names(), r.rows) == "SNAPSHOTING"
	})
}

// recordedStamp is the first backup_timestamp of the recording.
func recordedStamp(p *player) string {
	for _, s := range p.steps {
		if _, rest, ok := strings.Cut(s.SQL, `"backup_timestamp"="`); ok {
			return rest[:strings.Index(rest, `"`)]
		}
	}
	return ""
}

// emptyDirectory takes one tablet directory of the table flat out of the repository of file 08b, and puts it back.
func emptyDirectory(p *player, text string) {
	switch text {
	case "a tablet directory of the repository is empty":
		keys := p.listed("a/r08b/__starrocks_repository_r08b/__ss_s1/__ss_content/" + p.tableDir("g08s", "flat"))
		dir := keys[0][:strings.LastIndex(keys[0], "/")+1]
		p.undo, p.foreign = map[string][]byte{}, nil
		for _, k := range keys {
			if strings.HasPrefix(k, dir) {
				p.undo[k] = p.read(k)
				p.remove(k)
			}
		}
	case "the directory is back":
		p.repair()
	}
}

// tableDir is the directory of a table's content in a snapshot.
func (p *player) tableDir(db, table string) string {
	dir := ""
	for _, row := range p.must("SHOW PROC '/dbs'").rows {
		if *row[1] != db {
			continue
		}
		dir = "__db_" + *row[0] + "/"
		for _, t := range p.must("SHOW PROC '/dbs/" + *row[0] + "'").rows {
			if *t[1] == table {
				dir += "__tbl_" + *t[0] + "/"
			}
		}
	}
	return dir
}

func slowUploads(p *player, text string) {
	if strings.HasPrefix(text, "14 more loads") {
		for range 14 {
			p.fill(p.steps[p.at-1].DB, p.steps[p.at-1].Table)
		}
	}
	if strings.HasPrefix(text, "every file takes 1 s more") {
		p.delay.Store(int64(p.scaled(time.Second)))
	}
}
