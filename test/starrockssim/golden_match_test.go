package starrockssim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// matcher compares what a recording says with what the simulator says. Ids and snapshot timestamps of the recording
// stand for other ones of the simulator, always the same; times, checksums and file names of backends are compared by
// shape.
type matcher struct {
	known map[string]string // recorded -> actual
	used  map[string]string // actual -> recorded
}

func newMatcher() *matcher { return &matcher{map[string]string{}, map[string]string{}} }

func (m *matcher) clone() *matcher { return &matcher{maps.Clone(m.known), maps.Clone(m.used)} }

// bind notes that recorded stands for actual, unless that contradicts what is known.
func (m *matcher) bind(recorded, actual string) error {
	if a, ok := m.known[recorded]; ok && a != actual {
		return fmt.Errorf("%s is %s here, but was %s", recorded, actual, a)
	}
	if r, ok := m.used[actual]; ok && r != recorded {
		return fmt.Errorf("%s is %s here, which stands for %s", recorded, actual, r)
	}
	m.known[recorded], m.used[actual] = actual, recorded
	return nil
}

const (
	stampRE  = `\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}`
	timeRE   = `2026-11-\d\d \d\d:\d\d:\d\d(?:\.\d+)?|20[23]\d-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?`
	rowsetRE = `0200[0-9a-f]{44}_\d+|rowset_\w+`
	md5RE    = `[0-9a-f]{32}`
	pathRE   = `/[\w./-]*/snapshot/[\w./-]+`
	tempRE   = `/[\w./-]*(?:temp_dir|tmp_dir)[\w./-]*|info_\d{13}\b`
	numberRE = `\d{5,}`
	uuidRE   = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
)

var tokenRE = regexp.MustCompile(strings.Join([]string{
	"(" + stampRE + ")", "(" + timeRE + ")", "(" + pathRE + ")", "(" + tempRE + ")", "(" + rowsetRE + ")", "(" + uuidRE + "|" + md5RE + ")", "(" + numberRE + ")",
}, "|"))

// requestID is another one with every request to a store, and a load's label with every load.
var requestID = regexp.MustCompile(`(Request ID: |\bstandin_)[\w/+=-]+`)

// The groups of tokenRE.
const (
	stampToken = iota
	timeToken
	pathToken
	tempToken
	rowsetToken
	md5Token
	numberToken
)

type word struct {
	kind int
	text string
}

// split cuts a text into its fixed parts, joined by marks, and the words that may differ from run to run.
func split(s string) (fixed string, words []word) {
	var b strings.Builder
	last := 0
	for _, at := range tokenRE.FindAllStringSubmatchIndex(s, -1) {
		for kind := range 7 {
			if at[2+2*kind] < 0 {
				continue
			}
			b.WriteString(s[last:at[0]])
			fmt.Fprintf(&b, "\x00%d", kind)
			words = append(words, word{kind, s[at[0]:at[1]]})
			last = at[1]
			break
		}
	}
	return b.String() + s[last:], words
}

const emptyMD5 = "d41d8cd98f00b204e9800998ecf8427e"

// text compares two texts.
func (m *matcher) text(recorded, actual string) error {
	if recorded == actual {
		if _, taken := m.known[recorded]; !taken {
			return nil
		}
	}
	wantFixed, want := split(requestID.ReplaceAllString(recorded, "${1}#"))
	gotFixed, got := split(requestID.ReplaceAllString(actual, "${1}#"))
	if wantFixed != gotFixed {
		return fmt.Errorf("got  %q\n\twant %q", actual, recorded)
	}
	for i, w := range want {
		if err := m.word(w, got[i].text); err != nil {
			return fmt.Errorf("%w\n\tgot  %q\n\twant %q", err, actual, recorded)
		}
	}
	return nil
}

func (m *matcher) word(w word, actual string) error {
	switch w.kind {
	case stampToken:
		return m.bind(w.text, actual)
	case md5Token:
		if (w.text == emptyMD5) != (actual == emptyMD5) {
			return fmt.Errorf("md5 %s, want %s", actual, w.text)
		}
	case timeToken:
		if !strings.HasPrefix(w.text, "2026-11-2") && w.text != actual {
			return fmt.Errorf("time %s, want %s", actual, w.text)
		}
	case numberToken:
		if backend(w.text) && backend(actual) {
			return nil
		}
		if len(w.text) >= 12 || w.text == actual && m.known[w.text] == "" {
			return nil // milliseconds and other large numbers; constants
		}
		return m.bind(w.text, actual)
	}
	return nil
}

// backend tells whether a number is the id of a backend: which one it is depends on the placement of replicas.
func backend(id string) bool { return len(id) == 5 && id >= "10001" && id <= "10003" }

// replace puts the simulator's timestamps, and ids if so asked, in place of the recorded ones.
func (m *matcher) replace(s string, ids bool) string {
	return tokenRE.ReplaceAllStringFunc(s, func(w string) string {
		a, ok := m.known[w]
		if !ok || !ids && !stampOnly.MatchString(w) {
			return w
		}
		return a
	})
}

var stampOnly = regexp.MustCompile(`^` + stampRE + `$`)

// Columns that are not compared, with the reason.
var columnsLeftOut = map[string]string{
	"DataSize":             "the stand-in BEs' random segments have other sizes",
	"StorageSize":          "as DataSize",
	"RowCount":             "the stand-in's rows; the FE's count lags",
	"VersionEpoch":         "a random number",
	"TabletNum":            "the recorded cluster had tables of other scenarios",
	"Quota":                "capacity of the recording's disks",
	"LastConsistencyCheck": "never runs",
	"TransactionId":        "a small number that counts all loads of the recorded cluster",
}

// rows compares two row sets in order; nothing is bound unless all agree.
func (m *matcher) rows(columns []string, recorded, actual [][]*string) error {
	if len(recorded) != len(actual) {
		return fmt.Errorf("%d rows, want %d\n\tgot  %s\n\twant %s", len(actual), len(recorded), printRows(actual), printRows(recorded))
	}
	try := m.clone()
	for i, row := range recorded {
		if err := try.row(columns, row, actual[i]); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	*m = *try
	return nil
}

func (m *matcher) row(columns []string, recorded, actual []*string) error {
	if len(recorded) != len(actual) {
		return fmt.Errorf("%d values, want %d", len(actual), len(recorded))
	}
	for i, name := range columns {
		if columnsLeftOut[name] != "" {
			continue
		}
		if err := m.value(name, recorded[i], actual[i]); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	return nil
}

func (m *matcher) value(column string, recorded, actual *string) error {
	if recorded == nil || actual == nil {
		if recorded != actual {
			return fmt.Errorf("got %s, want %s", show(actual), show(recorded))
		}
		return nil
	}
	switch column {
	case "UnfinishedTasks":
		return matchTasks(*recorded, *actual)
	case "Status":
		return matchStatus(*recorded, *actual)
	case "TaskErrMsg":
		return matchMessages(*recorded, *actual)
	case "Details":
		return m.jsonText(*recorded, *actual)
	case "Progress":
		return nil // seen by chance between two files
	case "Timeout":
		if *recorded != *actual {
			return fmt.Errorf("got %s, want %s", *actual, *recorded)
		}
		return nil
	}
	return m.text(*recorded, *actual)
}

// matchTasks compares unfinished tasks by being there at all: how many tasks tablets make depends on where the FE
// placed their replicas.
func matchTasks(recorded, actual string) error {
	if (recorded == "") != (actual == "") {
		return fmt.Errorf("got %q, want %q", actual, recorded)
	}
	return nil
}

// matchStatus compares the fixed parts; which backends and tablets are named depends on the placement.
func matchStatus(recorded, actual string) error {
	want, _ := split(recorded)
	got, _ := split(actual)
	if want != got {
		return fmt.Errorf("got %q, want %q", actual, recorded)
	}
	return nil
}

var errorEntry = regexp.MustCompile(`(?:^|, )\[?\d+: `)

// matchMessages compares the different shapes of messages; how many tasks have them depends on the placement.
func matchMessages(recorded, actual string) error {
	want, got := messageShapes(recorded), messageShapes(actual)
	if !slices.Equal(want, got) {
		return fmt.Errorf("got %q\n\twant %q", actual, recorded)
	}
	return nil
}

func messageShapes(s string) []string {
	var out []string
	for _, part := range errorEntry.Split(s, -1) {
		if part = strings.TrimSuffix(part, "]"); part != "" {
			fixed, _ := split(part)
			out = append(out, fixed)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (m *matcher) jsonText(recorded, actual string) error {
	var want, got any
	if json.Unmarshal([]byte(recorded), &want) != nil {
		return m.text(recorded, actual)
	}
	if err := json.Unmarshal([]byte(actual), &got); err != nil {
		return fmt.Errorf("not JSON: %w: %q", err, actual)
	}
	return m.json("", want, got)
}

// json compares two trees; objects whose keys are ids are compared in the order of the ids.
func (m *matcher) json(path string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		delete(g, "autoIncrementId") // stand-in BEs draw no ids in INSERT
		delete(w, "autoIncrementId")
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s: got %v, want %v", path, got, want)
		}
		wantKeys, gotKeys := sortedKeys(w), sortedKeys(g)
		for i, k := range wantKeys {
			if err := m.text(k, gotKeys[i]); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if err := m.json(path+"."+k, w[k], g[gotKeys[i]]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s: got %v, want %v", path, got, want)
		}
		for i := range w {
			if err := m.json(path, w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if path == ".backup_time" || strings.HasSuffix(path, ".schema_hash") {
		return nil // milliseconds; the hash of a recorded schema is not built from the same things
	}
	if err := m.text(jsonScalar(want), jsonScalar(got)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func jsonScalar(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func sortedKeys(m map[string]any) []string {
	keys := slices.Collect(maps.Keys(m))
	slices.SortFunc(keys, func(a, b string) int {
		x, errA := strconv.ParseInt(a, 10, 64)
		y, errB := strconv.ParseInt(b, 10, 64)
		if errA == nil && errB == nil {
			return int(x - y)
		}
		return strings.Compare(a, b)
	})
	return keys
}

func show(s *string) string {
	if s == nil {
		return "NULL"
	}
	return strconv.Quote(*s)
}

func printRows(rows [][]*string) string {
	var b strings.Builder
	for _, row := range rows {
		b.WriteString("\n\t\t")
		for _, v := range row {
			b.WriteString(show(v) + " ")
		}
	}
	return b.String()
}

var keyDir = regexp.MustCompile(`/__(db|tbl|part|idx)_(\d+)|/__(\d+)/`)

// keyShapes writes object keys so that two listings of one shape are equal: ids are numbered by size within their
// kind, checksums and rowset ids are marks.
func keyShapes(keys []string) []string {
	ids := map[string][]int64{}
	for _, k := range keys {
		for _, g := range keyDir.FindAllStringSubmatch(k, -1) {
			kind, id := g[1], g[2]
			if kind == "" {
				kind, id = "tablet", g[3]
			}
			n, _ := strconv.ParseInt(id, 10, 64)
			ids[kind] = append(ids[kind], n)
		}
	}
	for kind, list := range ids {
		slices.Sort(list)
		ids[kind] = slices.Compact(list)
	}
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = keyShape(k, ids)
	}
	slices.Sort(out)
	return out
}

func keyShape(key string, ids map[string][]int64) string {
	number := func(kind, id string) string {
		n, _ := strconv.ParseInt(id, 10, 64)
		at, _ := slices.BinarySearch(ids[kind], n)
		return fmt.Sprintf("%s%d", kind, at+1)
	}
	tablet := ""
	key = keyDir.ReplaceAllStringFunc(key, func(dir string) string {
		g := keyDir.FindStringSubmatch(dir)
		if g[1] != "" {
			return "/" + number(g[1], g[2])
		}
		tablet = g[3]
		return "/" + number("tablet", g[3]) + "/"
	})
	if tablet != "" {
		key = strings.Replace(key, "/"+tablet+".", "/T.", 1)
	}
	fixed, words := split(key)
	for _, w := range words {
		mark := "#"
		if w.text == emptyMD5 {
			mark = "empty"
		}
		fixed = strings.Replace(fixed, fmt.Sprintf("\x00%d", w.kind), mark, 1)
	}
	return fixed
}
