import LinuxSystem
import Testing

@Suite struct PrintableTextTests {
    @Test("foreign text keeps its letters and line feeds and loses what a terminal would obey")
    func printable() {
        #expect("a\u{1b}[2Jb\u{9b}31m\r\n\u{7}ü\t\u{7f}".printable == "a[2Jb31m\nü")
    }
}
