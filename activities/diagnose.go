package activities

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// BackendTrouble is a BE whose tasks were not done when a job was given up.
type BackendTrouble struct {
	Backend int64  `json:"backend"`
	Text    string `json:"text,omitempty"` // what it said, word for word; "" if it had said nothing yet
}

// troubledBackends lists the BEs that a job waits for, with the first that each of them said.
func troubledBackends(j *starrocks.Job) []BackendTrouble {
	if !waitsOnBackends(j) {
		return nil
	}
	words := map[int64]string{} // by task
	for _, e := range starrocks.ParseTaskErrors(j.TaskErrors) {
		words[e.ID] = e.Text()
	}
	var list []BackendTrouble
	for _, t := range j.Unfinished {
		at := slices.IndexFunc(list, func(b BackendTrouble) bool { return b.Backend == t.On })
		if at < 0 {
			list, at = append(list, BackendTrouble{Backend: t.On}), len(list)
		}
		if list[at].Text == "" {
			list[at].Text = shortened(words[t.ID])
		}
	}
	slices.SortFunc(list, func(a, b BackendTrouble) int { return int(a.Backend - b.Backend) })
	return list
}

// BackupRows says what a BACKUP of the scratch table tells about the rights of FE and BEs; err is how it ended, backends
// are those that hold some of the table.
func (p Place) BackupRows(err error, backends []int64) []spec.RightRow {
	if err == nil {
		return append(p.backendRows(spec.RightWrite, backends, nil),
			spec.RightRow{Side: spec.SideFE, Right: spec.RightWrite, OK: true}, spec.RightRow{Side: spec.SideFE, Right: spec.RightDelete, OK: true})
	}
	said, f := p.said(err)
	switch starrocks.State(f.State) {
	case starrocks.StateUploadSnapshot, starrocks.StateUploading:
		return p.troubled(spec.RightWrite, f, backends, said)
	case starrocks.StateSaveMeta, starrocks.StateUploadInfo:
		return append(p.backendRows(spec.RightWrite, backends, nil), p.infoRows(said)...)
	}
	if strings.Contains(said, "remote path") {
		return []spec.RightRow{p.lacks(spec.SideFE, spec.RightList, said)}
	}
	return []spec.RightRow{p.lacksPrivilege(spec.RightScratch, "BACKUP of the scratch table: "+said)}
}

// infoRows reads why the FE could not put __meta and __info into the repository: it writes name.part and renames it, which
// in an object store is a copy and a delete. Its words tell the step, and seldom the cause (starrocks-measured A 01, C §3).
func (p Place) infoRows(said string) []spec.RightRow {
	right := spec.RightWrite
	switch {
	case strings.Contains(said, "delete remote path"):
		right = spec.RightDelete
	case strings.Contains(said, "list remote path"), strings.Contains(said, "check remote path"):
		right = spec.RightList
	}
	row := p.lacks(spec.SideFE, right, said)
	if row.Type == spec.ErrorJobFailed { // the words name no cause
		row.Type, row.Fix = spec.ErrorAuthDenied, p.grant(spec.SideFE, right)
	}
	if strings.Contains(said, "rename") {
		row.Fix = p.grant(spec.SideFE, spec.RightCopy) + ", and the right to delete: a rename is a copy and a delete there"
	}
	if right == spec.RightDelete {
		return []spec.RightRow{{Side: spec.SideFE, Right: spec.RightWrite, OK: true}, row}
	}
	return []spec.RightRow{row}
}

// RestoreRows says what a RESTORE of the scratch table tells about the rights of FE and BEs.
func (p Place) RestoreRows(err error, backends []int64) []spec.RightRow {
	if err == nil {
		return append(p.backendRows(spec.RightRead, backends, nil), spec.RightRow{Side: spec.SideFE, Right: spec.RightRead, OK: true})
	}
	said, f := p.said(err)
	switch starrocks.State(f.State) {
	case starrocks.StateDownload, starrocks.StateDownloading:
		return append(p.troubled(spec.RightRead, f, backends, said), spec.RightRow{Side: spec.SideFE, Right: spec.RightRead, OK: true})
	}
	row := p.lacks(spec.SideFE, spec.RightRead, said)
	if missingPrivilege.MatchString(said) {
		row = p.lacksPrivilege(spec.RightScratch, "RESTORE of the scratch table: "+said)
	}
	return []spec.RightRow{row}
}

// said finds StarRocks' words, and where its job was.
func (p Place) said(err error) (string, UnitFailure) {
	f, known := FailureOf(err)
	if known {
		return f.Reason, f
	}
	_, message := TypeOf(err)
	return message, f
}

// troubled are the rows of BEs of which some have failed.
func (p Place) troubled(right string, f UnitFailure, backends []int64, said string) []spec.RightRow {
	rows := p.backendRows(right, backends, f.Backends)
	if len(f.Backends) == 0 {
		rows = []spec.RightRow{{Side: spec.SideBE, Right: right, Type: troubleOf(said).kind(), Message: said, Fix: p.fix(spec.SideBE, right, troubleOf(said))}}
	}
	return rows
}

// backendRows has a row for each BE: those in trouble lack the right, those that had finished have it.
func (p Place) backendRows(right string, backends []int64, inTrouble []BackendTrouble) []spec.RightRow {
	var rows []spec.RightRow
	for _, id := range backends {
		row := spec.RightRow{Side: spec.SideBE, Backend: id, Right: right, OK: true}
		at := slices.IndexFunc(inTrouble, func(b BackendTrouble) bool { return b.Backend == id })
		switch {
		case at >= 0 && inTrouble[at].Text != "":
			row = p.lacks(spec.SideBE, right, inTrouble[at].Text)
			row.Backend = id
		case at >= 0:
			row.OK, row.Type = false, spec.ErrorStorageUnavailable
			row.Message = fmt.Sprintf("BE %d neither finished nor said why until the job was given up", id)
			row.Fix = p.fix(spec.SideBE, right, troubleUnreachable)
		}
		rows = append(rows, row)
	}
	return rows
}

// ScratchRow is the row of a step with the scratch table that is no matter of the store: making it, or planning.
func (p Place) ScratchRow(err error) spec.RightRow {
	kind, message := TypeOf(err)
	row := p.lacksPrivilege(spec.RightScratch, message)
	if row.Type == spec.ErrorJobFailed && kind != "" {
		row.Type = kind
	}
	return row
}

// WorkerRow is the row of something that the worker itself could not do with the store while the scratch table was backed
// up or restored.
func (p Place) WorkerRow(right string, err error) spec.RightRow {
	kind, message := TypeOf(err)
	row := p.lacks(spec.SideWorker, right, message)
	if row.Type == spec.ErrorJobFailed && kind != "" {
		row.Type = kind
	}
	return row
}
