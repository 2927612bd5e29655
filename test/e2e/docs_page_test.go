package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"starkeep/worker/config"
)

// docBlock is a fenced block of a page: ```language name.
type docBlock struct {
	language, name string
	text           string
	line           int // of the fence
}

// profileFile is the name of the block that holds a page's configuration. A page that shows several ways has several such
// blocks, each followed by the environment that belongs to it: a reader takes one of them.
const profileFile = "starkeep.yaml"

// readBlocks takes a page's fenced blocks out of it, in order.
func readBlocks(t *testing.T, page string) []docBlock {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []docBlock
	open := false
	for i, line := range strings.Split(string(text), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !open:
			language, name, _ := strings.Cut(info, " ")
			blocks = append(blocks, docBlock{language: language, name: name, line: i + 1})
			open = true
		case fence:
			open = false
		case open:
			blocks[len(blocks)-1].text += line + "\n"
		}
	}
	if open {
		t.Fatalf("%s: the last block has no end", page)
	}
	return blocks
}

// ways are the page's blocks as readers take them: all of them, of each configuration with its environment only one.
func ways(blocks []docBlock) [][]docBlock {
	var profiles []int
	for i, b := range blocks {
		if b.language == "yaml" && b.name == profileFile {
			profiles = append(profiles, i)
		}
	}
	var all [][]docBlock
	for _, chosen := range profiles {
		var way []docBlock
		for i, b := range blocks {
			of := slices.IndexFunc(profiles, func(at int) bool { return i == at || i == at+1 && b.language == "sh" })
			if of < 0 || profiles[of] == chosen {
				way = append(way, b)
			}
		}
		all = append(all, way)
	}
	return all
}

// commands are the lines of a shell block, those that end in \ joined; comments are left out.
func (b docBlock) commands() []string {
	var list []string
	for _, line := range strings.Split(strings.ReplaceAll(b.text, "\\\n", ""), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

// changing is what is another one in every run.
var changing = []struct {
	words *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`\b\d{8}T\d{6}Z-[0-9a-f]{6}\b`), "POINT"},
	{regexp.MustCompile(`\b\d{8}T\d{6}Z\b`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?`), "TIME"},
	{regexp.MustCompile(`__before_[0-9a-f]{8}\b`), "__before_HEX"},
	{regexp.MustCompile(`[\d.]+ ([KMG]i)?B\b`), "SIZE"},
	{regexp.MustCompile(`\b(\d+m)?[\d.]+m?s\b`), "DURATION"},
	{regexp.MustCompile(`\d+`), "N"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// steady leaves out of an output what changes.
func steady(text string) []string {
	for _, c := range changing {
		text = c.words.ReplaceAllString(text, c.as)
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// shows tells whether an output has the lines of a sample, in their order; "…" stands for anything. missing is the first
// line that it has not.
func shows(output, sample string) (missing string) {
	lines := steady(output)
	for _, want := range steady(sample) {
		if want == "…" {
			continue
		}
		parts := strings.Split(want, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		like := regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
		at := slices.IndexFunc(lines, like.MatchString)
		if at < 0 {
			return want
		}
		lines = lines[at+1:]
	}
	return ""
}

var (
	docLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced    = regexp.MustCompile("(?ms)^```.*?^```")
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	tableCell = regexp.MustCompile(`(?m)^\| (.*?) \|`)
	quoted    = regexp.MustCompile("`([^`]+)`")
)

// anchors are the names under which a page's headings can be linked to.
func anchors(text string) []string {
	var list []string
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		list = append(list, strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return list
}

// TestLinksOfTheDocumentationLeadSomewhere follows every link from page to page, also to headings.
func TestLinksOfTheDocumentationLeadSomewhere(t *testing.T) {
	pages := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range docLink.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			if problem := follow(page, string(text), link[1]); problem != "" {
				t.Errorf("%s: link %s: %s", strings.TrimPrefix(page, "../../"), link[1], problem)
			}
		}
	}
}

// follow says why a link leads nowhere; "" if it does not.
func follow(page, text, link string) string {
	if strings.Contains(link, "://") {
		return ""
	}
	target, anchor, _ := strings.Cut(link, "#")
	if target != "" {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(page), target))
		if info, e := os.Stat(filepath.Join(filepath.Dir(page), target)); e == nil && info.IsDir() {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		text = string(content)
	}
	if anchor != "" && !slices.Contains(anchors(text), anchor) {
		return fmt.Sprintf("no heading %q; there are %q", anchor, anchors(text))
	}
	return ""
}

// TestMessagesInTheDocumentationAreReal looks for what the pages quote as messages in the sources of starkeep, of the
// simulator and of the servers that tests use.
func TestMessagesInTheDocumentationAreReal(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"activities", "storage", "storage/storagetest", "starrocks", "worker/*", "starter", "test/starrockssim", "test/e2e"} {
		files, err := filepath.Glob(filepath.Join("../..", pattern, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if filepath.Base(file) == "docs_page_test.go" {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
	}
	for _, page := range repositoryFiles(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, problems, _ := strings.Cut(string(text), "## What may go wrong")
		for _, cell := range tableCell.FindAllStringSubmatch(problems, -1) {
			for _, message := range quoted.FindAllStringSubmatch(cell[1], -1) {
				if !strings.Contains(sources.String(), message[1]) {
					t.Errorf("%s: nothing says %q", filepath.Base(page), message[1])
				}
			}
		}
	}
}

const repositoryPages = "../../docs/repositories/*.md"

var (
	statement = regexp.MustCompile(`CREATE REPOSITORY (\w+) WITH BROKER ON LOCATION "([^"]+)"`)
	property  = regexp.MustCompile(`"([\w.]+)" = "([^"]*)"`)
)

// TestProfilesOfTheRepositoryPagesAreWhatThePagesSay loads each configuration of each page as it stands there, and compares
// the CREATE REPOSITORY that the page shows with the one that is made of it.
func TestProfilesOfTheRepositoryPagesAreWhatThePagesSay(t *testing.T) {
	for _, page := range repositoryFiles(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range readBlocks(t, page) {
			if b.language != "yaml" {
				continue
			}
			r, err := profileOf(t, b)
			if err == nil && b.name == profileFile {
				err = differs(string(text), r)
			}
			if err != nil {
				t.Errorf("%s:%d: %v", filepath.Base(page), b.line, err)
			}
		}
	}
}

// differs tells where the page's CREATE REPOSITORY is not the one of the profile. That of a pair of NameNodes is not shown.
func differs(page string, r config.Repository) error {
	derived, err := r.NativeProperties()
	if err != nil {
		return err
	}
	at := statement.FindStringSubmatchIndex(page)
	if at == nil {
		return errors.New("the page shows no CREATE REPOSITORY")
	}
	name, location := page[at[2]:at[3]], page[at[4]:at[5]]
	if name != r.NativeName || location != r.NativeLocation() && len(r.HDFS.NameNodes) == 0 {
		return fmt.Errorf("the statement is for %s at %s, the profile for %s at %s", name, location, r.NativeName, r.NativeLocation())
	}
	rest, _, _ := strings.Cut(page[at[1]:], "\n\n")
	said := map[string]string{}
	for _, p := range property.FindAllStringSubmatch(rest, -1) {
		said[p[1]] = p[2]
		if p[2] == "…" { // a secret
			said[p[1]] = derived[p[1]]
		}
	}
	if !maps.Equal(said, derived) {
		return fmt.Errorf("the statement's properties are %q, of the profile come %q", said, derived)
	}
	return nil
}

var fromEnvironment = regexp.MustCompile(`env:(\w+)`)

// profileOf loads a configuration and gives its one repository. All variables that it names are set.
func profileOf(t *testing.T, b docBlock) (config.Repository, error) {
	t.Helper()
	for _, name := range fromEnvironment.FindAllStringSubmatch(b.text, -1) {
		t.Setenv(name[1], "value of "+name[1])
	}
	file := filepath.Join(t.TempDir(), b.name)
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		return config.Repository{}, err
	}
	if names := c.RepositoryNames(); len(names) != 1 || len(c.Clusters) != 1 {
		return config.Repository{}, fmt.Errorf("%d repositories and %d clusters; a page has one of each", len(names), len(c.Clusters))
	}
	return c.Repositories[c.RepositoryNames()[0]], nil
}

func repositoryFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(repositoryPages)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", repositoryPages, len(files), err)
	}
	return files
}
