// The empty translation unit that SwiftPM wants for a C target.
