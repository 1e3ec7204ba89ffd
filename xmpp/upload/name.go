package upload

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanName makes of what a client calls a file a name without folders and what cannot be seen.
func cleanName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	for len(name) > maxName {
		_, last := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-last]
	}
	if name = strings.TrimSpace(name); name == "." || name == ".." {
		return ""
	}
	return name
}

func validType(t string) bool {
	if t == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(t)
	return err == nil && len(t) <= maxType && strings.Count(kind, "/") == 1
}

// inline lists the content types that a browser may show: none of them can carry a script.
var inline = map[string]bool{
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/avif": true, "image/bmp": true,
	"audio/mpeg": true, "audio/mp4": true, "audio/aac": true, "audio/ogg": true, "audio/opus": true, "audio/webm": true, "audio/wav": true,
	"audio/x-wav": true, "audio/flac": true, "audio/amr": true,
	"video/mp4": true, "video/webm": true, "video/ogg": true, "video/quicktime": true, "video/3gpp": true,
	"text/plain": true,
}

// served returns the content type that a file is served with and how a browser is to treat it. What is not
// inline is not told as what it is: a page of this server must not take it for a script or a style.
func served(file File) (kind, disposition string) {
	kind, params, err := mime.ParseMediaType(file.Type)
	how := "inline"
	switch {
	case err != nil || !inline[kind]:
		kind, how = "application/octet-stream", "attachment"
	case kind == "text/plain" && params["charset"] != "":
		kind = mime.FormatMediaType(kind, map[string]string{"charset": params["charset"]})
	case kind == "text/plain":
		kind = "text/plain; charset=utf-8"
	}
	return kind, mime.FormatMediaType(how, map[string]string{"filename": file.Name})
}
