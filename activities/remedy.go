package activities

import (
	"regexp"
	"strings"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// requestIDs are another one with every request: with them no two failures would be alike (restorepoint.AlikeFailures).
var requestIDs = regexp.MustCompile(`(?i)\b(request(?:[ _-]?id)?[ :=]+)[\w/+=-]*[0-9][\w/+=-]*`)

// remedied adds to StarRocks' words what helps, where they speak of the repository's store: which of its two sides lacks
// which right, or what in the profile is wrong.
func (w *work) remedied(state, said string) string {
	said = requestIDs.ReplaceAllString(said, "${1}…")
	if w.Scratch { // a check makes rows of the words alone
		return said
	}
	fix := placeOf(w.cluster, w.repository).remedy(starrocks.State(state), said)
	if fix == "" {
		return said
	}
	return shortened(said) + "; " + fix
}

// remedy is what helps against what StarRocks said when its job stood in state, or was refused; "" if that is not about
// the store. The FE names the step that failed, and often no cause (starrocks-measured A 01, C §3).
func (p Place) remedy(state starrocks.State, said string) string {
	switch state {
	case starrocks.StateUploadSnapshot, starrocks.StateUploading:
		return p.sideFix(spec.SideBE, spec.RightWrite, said)
	case starrocks.StateDownload, starrocks.StateDownloading:
		return p.sideFix(spec.SideBE, spec.RightRead, said)
	case starrocks.StateSaveMeta, starrocks.StateUploadInfo:
		rows := p.infoRows(said)
		return p.ofStarRocks(rows[len(rows)-1].Fix)
	}
	switch {
	case strings.Contains(said, "list remote path"):
		return p.sideFix(spec.SideFE, spec.RightList, said)
	case strings.Contains(said, "errors while read data from stream"):
		return p.ofStarRocks(p.fix(spec.SideFE, spec.RightRead, troubleForbidden))
	}
	return ""
}

func (p Place) sideFix(side, right, said string) string {
	return p.ofStarRocks(p.fix(side, right, troubleOf(said)))
}

// ofStarRocks says whose trouble it is: the worker reaches the store in another way.
func (p Place) ofStarRocks(fix string) string {
	if fix == "" {
		return ""
	}
	return "repository " + p.Repository + ", as StarRocks uses it: " + fix
}
