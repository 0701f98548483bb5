# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors and notes about what is in a .blend."""

TEXTS = {
    "The shot's root «{}» is moved by its {}.": "Die Wurzel «{0}» des Shots wird durch {1:t} bewegt.",
    "Take them away, or put them on an Empty that is its parent.": (
        "Sie wegnehmen oder auf ein Empty legen, das ihr Elternobjekt ist."
    ),
    "NLA tracks": "NLA-Spuren",
    "delta transforms": "Delta-Transformationen",
    "The preview": "Die Vorschau",
    "The scene has no active camera at frame {}.": "Die Szene hat in Frame {0} keine aktive Kamera.",
    "Choose a camera, or make one the scene's active camera.": (
        "Eine Kamera wählen oder eine zur aktiven Kamera der Szene machen."
    ),
    "The camera «{}» is switched off in the scene, so it does not move.": (
        "Die Kamera «{0}» ist in der Szene abgeschaltet und bewegt sich deshalb nicht."
    ),
    "Enable it and its collection in the viewport.": "Sie und ihre Sammlung im Viewport einschalten.",
    "«{}» is not a perspective camera but of type {}.": "«{0}» ist keine perspektivische Kamera, sondern vom Typ {1}.",
    "Set its lens type to Perspective, or choose another camera.": (
        "Ihren Objektivtyp auf Perspektive stellen oder eine andere Kamera wählen."
    ),
    "The scene renders only a region of the picture; the take covers the whole picture.": (
        "Die Szene rendert nur einen Ausschnitt; der Take umfasst das ganze Bild."
    ),
    "The scene renders in stereo; the take is that of the camera itself.": (
        "Die Szene rendert in Stereo; der Take ist der der Kamera selbst."
    ),
    "The mesh's material has no pictures of the plate.": "Das Material des Meshs hat keine Bilder der Plate.",
    "Shadows are caught by Cycles, which is switched off.": "Schatten fängt Cycles, und das ist ausgeschaltet.",
    "Enable «Cycles Render Engine» among the add-ons of the preferences.": (
        "«Cycles Render Engine» unter den Add-ons der Einstellungen einschalten."
    ),
    (
        "This Blender's colour management has no sRGB texture space: the plate's colours come out wrong. Set the "
        "colour space of its image texture by hand."
    ): (
        "Die Farbverwaltung dieses Blenders hat keinen sRGB-Texturraum: die Farben der Plate werden falsch. Den "
        "Farbraum ihrer Bildtextur von Hand setzen."
    ),
    (
        "This Blender's colour management has no space «{}»: the pictures are shown as «{}». Choose a space by hand, "
        "or an OpenColorIO configuration that has it."
    ): (
        "Die Farbverwaltung dieses Blenders hat keinen Raum «{0}»: die Bilder werden als «{1}» gezeigt. Von Hand "
        "einen Raum wählen oder eine OpenColorIO-Konfiguration, die ihn hat."
    ),
    "The path {} is longer than the {} bytes that Blender keeps of one.": (
        "Der Pfad {0} ist länger als die {1} Bytes, die Blender sich merkt."
    ),
    "Move the shot to a place with a shorter path.": "Den Shot an einen Ort mit kürzerem Pfad verschieben.",
    "{} lacks {} of {} pictures in {}, the first is frame {}.": (
        "{0:t}: {1} von {2} Bildern fehlen in {3}, das erste ist Frame {4}."
    ),
    "Make it again, or put its folder back where it was.": (
        "Noch einmal erzeugen oder den Ordner zurücklegen, wo er war."
    ),
    "Blender cannot read {}.": "Blender kann {0} nicht lesen.",
    "Check that it is there and may be read, or make it again.": (
        "Prüfen, ob es da ist und gelesen werden darf, oder es noch einmal erzeugen."
    ),
    "This mesh was placed by an earlier version.": "Dieses Mesh stammt aus einer früheren Version.",
    "Use Close Slits first.": "Zuerst «Schlitze schließen» benutzen.",
    "The depth of this shot does not tell what was measured and what was guessed.": (
        "Die Tiefe dieses Shots sagt nicht, was gemessen und was geschätzt wurde."
    ),
    "Solve the camera of a plate whose camera moves; reconstruct again what an earlier version made.": (
        "Die Kamera einer Plate mit bewegter Kamera lösen; was eine frühere Version gemacht hat, neu rekonstruieren."
    ),
    "The plate": "Die Plate",
    "The mesh's validity": "Die Gültigkeit des Meshs",
    "The reconstructed mesh": "Das rekonstruierte Mesh",
    "{} is of version {}, not {}.": "{0:t} hat Version {1}, nicht {2}.",
    "Update EX-4D, or reconstruct the shot again.": "EX-4D aktualisieren oder den Shot noch einmal rekonstruieren.",
    "There is no reconstructed mesh in {}.": "In {0} gibt es kein rekonstruiertes Mesh.",
    "Reconstruct the shot, or choose the folder it was moved to.": (
        "Den Shot rekonstruieren oder den Ordner wählen, in den er verschoben wurde."
    ),
    "The mesh's point cache {} cannot be read: {}.": "Der Punkt-Cache {0} des Meshs kann nicht gelesen werden: {1}.",
    "Relink the shot to the folder it was moved to, or reconstruct it.": (
        "Den Shot mit dem Ordner verknüpfen, in den er verschoben wurde, oder ihn rekonstruieren."
    ),
    "The mesh «{}» has no material that shows the plate.": "Das Mesh «{0}» hat kein Material, das die Plate zeigt.",
    "The mesh «{}» is another file's.": "Das Mesh «{0}» gehört einer anderen Datei.",
    "Change it there, or append the shot instead of linking it.": (
        "Es dort ändern oder den Shot anhängen, statt ihn zu verknüpfen."
    ),
    "The material «{}» has another surface than the plate's.": (
        "Das Material «{0}» hat eine andere Oberfläche als die der Plate."
    ),
    "Undo what changed its nodes, or reconstruct the shot again.": (
        "Rückgängig machen, was seine Nodes geändert hat, oder den Shot noch einmal rekonstruieren."
    ),
    "The pivot lies behind the camera that the move starts from.": (
        "Der Drehpunkt liegt hinter der Kamera, von der die Fahrt ausgeht."
    ),
    "Pick one in front of it, or reset the pivot.": "Einen vor ihr wählen oder den Drehpunkt zurücksetzen.",
    "The {} has {} frames per second, the scene {}; Match Scene to Plate sets the scene.": (
        "{0:t} hat {1} Bilder pro Sekunde, die Szene {2}; «Szene an Plate anpassen» stellt die Szene um."
    ),
    "The {}'s file {} does not exist.": "{0:t}: die Datei {1} gibt es nicht.",
    "Relink the {} in Blender.": "{0:t} in Blender neu verknüpfen.",
    "The clip «{}»: {}": "Der Clip «{0}»: {1:t}",
    "The clip «{}» is read as «{}» now.": "Der Clip «{0}» wird jetzt als «{1}» gelesen.",
    "The clip «{}» shows other pictures than its files' numbers say: Blender reads them without their minus.": (
        "Der Clip «{0}» zeigt andere Bilder, als die Nummern seiner Dateien sagen: Blender liest sie ohne Minus."
    ),
    "Take the plate with Open Plate, or number its files from 0 on.": (
        "Die Plate mit «Plate öffnen» nehmen oder ihre Dateien ab 0 nummerieren."
    ),
    "The clip «{}» shows no picture.": "Der Clip «{0}» zeigt kein Bild.",
    "Relink the clip in Blender.": "Den Clip in Blender neu verknüpfen.",
    "Its lens sees {} degrees over the longer side.": "Sein Objektiv sieht {0} Grad über die längere Seite.",
    "The solved camera has an average error of {} px.": "Die gelöste Kamera hat einen mittleren Fehler von {0} px.",
    "{} has none of these frames.": "{0} hat keinen dieser Frames.",
    "Set Frames to some that it has.": "«Frames» auf welche stellen, die es hat.",
    "The strip «{}» is retimed, reversed, or under a speed effect; the plate is the whole file at its own speed.": (
        "Der Strip «{0}» ist in der Geschwindigkeit geändert, rückwärts oder unter einem Geschwindigkeitseffekt; die "
        "Plate ist die ganze Datei in ihrer eigenen Geschwindigkeit."
    ),
    "The strip «{}» is neither a movie nor pictures.": "Der Strip «{0}» ist weder ein Film noch Bilder.",
    "Select a movie or image strip; go into a meta strip with Tab.": (
        "Einen Film- oder Bild-Strip auswählen; in einen Meta-Strip geht es mit Tab."
    ),
    (
        "The strip «{}» shows its pictures in an order of its own, with gaps or repeats; the plate is the whole "
        "sequence as its files are numbered."
    ): (
        "Der Strip «{0}» zeigt seine Bilder in eigener Reihenfolge, mit Lücken oder Wiederholungen; die Plate ist "
        "die ganze Sequenz, wie ihre Dateien nummeriert sind."
    ),
    "The strip «{}» shows pictures of several sequences.": "Der Strip «{0}» zeigt Bilder mehrerer Sequenzen.",
    "Make a strip of one sequence each.": "Je Sequenz einen Strip machen.",
    "The strip is cropped or mirrored; the plate is the file's picture as it is.": (
        "Der Strip ist beschnitten oder gespiegelt; die Plate ist das Bild der Datei, wie es ist."
    ),
    "No movie or image strip is selected in the sequencer.": "Im Sequencer ist kein Film- oder Bild-Strip ausgewählt.",
    "Select the plate's strip.": "Den Strip der Plate auswählen.",
    "The strip holds one picture for {} frames; the plate is that picture alone.": (
        "Der Strip hält ein Bild für {0} Frames; die Plate ist nur dieses Bild."
    ),
    "All sequencer channels from {} on are taken at frames {}-{}.": (
        "Alle Kanäle des Sequencers ab {0} sind in den Frames {1}-{2} belegt."
    ),
    "Remove or move some strips.": "Einige Strips entfernen oder verschieben.",
    "{} with {} frames": "{0} mit {1} Frames",
    "The take": "Der Take",
    "Blender placed the strip «{}» at frame {} instead of {} with {}.": (
        "Blender hat den Strip «{0}» auf Frame {1} statt {2} gesetzt, mit {3}."
    ),
    "Add the take's pictures by hand as an image strip.": "Die Bilder des Takes von Hand als Bild-Strip hinzufügen.",
    "another file": "einer anderen Datei",
    "The shot «{}» is linked from {}.": "Der Shot «{0}» ist aus {1:t} verknüpft.",
    "Change it there and reload the library, or append the shot instead of linking it.": (
        "Ihn dort ändern und die Bibliothek neu laden oder den Shot anhängen, statt ihn zu verknüpfen."
    ),
    "The shot of the take «{}» is not in the scene, which has: {}.": (
        "Der Shot des Takes «{0}» ist nicht in der Szene; sie hat: {1}."
    ),
    "Choose its shot in the list.": "Seinen Shot in der Liste wählen.",
    "The shot «{}» is in this scene only as an instance of the collection «{}».": (
        "Der Shot «{0}» ist in dieser Szene nur als Instanz der Sammlung «{1}»."
    ),
    "Make a library override of the instance, or append or link the collection itself into the scene.": (
        "Einen Library Override der Instanz anlegen oder die Sammlung selbst in die Szene anhängen oder verknüpfen."
    ),
    "What the shot «{}» says of itself in its custom properties is damaged.": (
        "Was der Shot «{0}» in seinen eigenen Eigenschaften über sich sagt, ist beschädigt."
    ),
    "Undo what changed them, or delete that Empty and reconstruct the plate: its files stay and are used.": (
        "Rückgängig machen, was sie geändert hat, oder dieses Empty löschen und die Plate rekonstruieren: seine "
        "Dateien bleiben und werden benutzt."
    ),
    "The scene «{}» is linked from {}.": "Die Szene «{0}» ist aus {1:t} verknüpft.",
    "Work in a scene of this file, with the shot's collection linked or appended.": (
        "In einer Szene dieser Datei arbeiten, mit verknüpfter oder angehängter Sammlung des Shots."
    ),
    "The scene has no shot.": "Die Szene hat keinen Shot.",
    "Open a plate and reconstruct it first.": "Zuerst eine Plate öffnen und rekonstruieren.",
    "The shot «{}»": "Der Shot «{0}»",
    "The shot's mesh and its plate have other frame numbers.": (
        "Das Mesh des Shots und seine Plate haben verschiedene Framenummern."
    ),
    "The shot's record has a value that is none.": "In den Daten des Shots ist ein Wert, der keiner ist.",
    "View transform": "View Transform",
    "{}: {} becomes {}.": "{0:t}: {1} wird {2}.",
    "Resolution percentage": "Prozent der Auflösung",
    "Pixel aspect": "Pixel-Aspekt",
    "Frame rate": "Bildrate",
    "Time stretching": "Zeitstreckung",
    "Frame range": "Framebereich",
    "{} stays {}: this Blender's colour management has no other.": (
        "{0:t} bleibt {1}: die Farbverwaltung dieses Blenders hat keinen anderen."
    ),
    "{} holds a mesh of {} vertices, not {}.": "{0} enthält ein Mesh mit {1} Vertices, nicht {2}.",
    "Choose the folder of this shot, or import the shot anew.": (
        "Den Ordner dieses Shots wählen oder den Shot neu importieren."
    ),
    "The shot's mesh": "Das Mesh des Shots",
    "{} does not fit the shot's mesh.": "{0} passt nicht zum Mesh des Shots.",
    "«{}» turns by quaternions, which hand-held noise cannot be added to.": (
        "«{0}» dreht mit Quaternionen; Handkamera-Rauschen kann dazu nicht hinzugefügt werden."
    ),
    "Set its rotation mode to XYZ Euler.": "Ihren Rotationsmodus auf XYZ-Euler stellen.",
    "«{}» belongs to no shot.": "«{0}» gehört zu keinem Shot.",
    "Make it a take of one, or a child of its root.": "Daraus einen Take machen oder ein Kind seiner Wurzel.",
    "«{}» is not a take camera.": "«{0}» ist keine Take-Kamera.",
    "Add a take camera, and animate that one.": "Eine Take-Kamera hinzufügen und diese animieren.",
    "The camera «{}» is linked from another file.": "Die Kamera «{0}» ist aus einer anderen Datei verknüpft.",
    "Move it there, or add a take camera in this file. The take itself can be generated as it is.": (
        "Sie dort bewegen oder in dieser Datei eine Take-Kamera hinzufügen. Der Take selbst kann generiert werden, "
        "wie er ist."
    ),
    "{}, changed": "{0}, geändert",
    "The move": "Die Fahrt",
    "The move's frames {}-{} are not all within the plate's, {}-{}.": (
        "Die Frames {0}-{1} der Fahrt liegen nicht alle in denen der Plate, {2}-{3}."
    ),
    "Choose frames of the plate.": "Frames der Plate wählen.",
    "The result of {}": "Das Ergebnis von {0}",
    "The shot «{}» has no mesh with the plate's pictures.": "Der Shot «{0}» hat kein Mesh mit den Bildern der Plate.",
    "Reconstruct its plate again.": "Seine Plate noch einmal rekonstruieren.",
    "The take has cuts: the active camera changes within its frames, {} in all.": (
        "Der Take hat Schnitte: die aktive Kamera wechselt in seinen Frames, insgesamt {0}-mal."
    ),
    "The preview's {}": "Die Vorschau ({0:t})",
    "The take's {}": "Der Take ({0:t})",
    "mask": "Maske",
    "color": "Farbe",
    "result": "Ergebnis",
    "{} is damaged: {}.": "{0} ist beschädigt: {1:t}.",
    "it is no JSON": "es ist kein JSON",
    "it is not as the backend wrote it": "es ist nicht so, wie das Backend es geschrieben hat",
    "it does not describe a mesh": "es beschreibt kein Mesh",
    "it lacks a value": "ein Wert fehlt",
    "it is not a PC2 point cache": "es ist kein PC2-Punkt-Cache",
    "it holds {} points and {} frames, the mesh has {} and {}": (
        "es enthält {0} Punkte und {1} Frames, das Mesh hat {2} und {3}"
    ),
    "it has {} bytes, not {}, and was cut short": "es hat {0} Bytes, nicht {1}, und wurde abgeschnitten",
    "it is missing, or no NumPy array": "es fehlt oder ist kein NumPy-Array",
    "it has shape {} of {}, which does not fit the mesh": "es hat die Form {0} von {1}, die nicht zum Mesh passt",
    "it points to what is not there": "es verweist auf etwas, das es nicht gibt",
    "it has a grid that does not fit its faces": "sein Gitter passt nicht zu seinen Flächen",
    "{}, look {}, exposure {}, gamma {}": "{0}, Look {1}, Belichtung {2}, Gamma {3}",
    "Dither": "Dithering",
    "Resolution": "Auflösung",
    "Frames {}-{} are all solved.": "Die Frames {0}-{1} sind alle gelöst.",
    "It is left out.": "Sie bleibt unberücksichtigt.",
    "Set Frames to {}-{} to use it for those, or solve the others.": (
        "«Frames» auf {0}-{1} stellen, um sie dafür zu benutzen, oder die anderen lösen."
    ),
    "Solve the others.": "Die anderen lösen.",
    "The clip's camera solution lacks {} of the plate's {} frames, the first is {}.": (
        "Der Kameralösung des Clips fehlen {0} der {1} Frames der Plate, der erste ist {2}."
    ),
    "These are solved around it.": "Diese werden um sie herum gelöst.",
    "clip": "Clip",
    "strip": "Strip",
    "{} of the take {} {}": "{0} des Takes {1} {2}",
    "Load the plate with frame numbers from 0 on, and make the take again.": (
        "Die Plate mit Framenummern ab 0 laden und den Take neu machen."
    ),
    "{} begins at frame {}, and Blender plays no pictures of frames below 0.": (
        "{0:t} beginnt bei Frame {1}, und Blender spielt keine Bilder von Frames unter 0."
    ),
    "Generate the take again, without the plate's lens: Take Lens, None.": (
        "Den Take neu generieren, ohne das Objektiv der Plate: Take-Objektiv, Keines."
    ),
    "The cameras of {} cannot be projected from.": "Aus den Kameras von {0} kann nicht projiziert werden.",
    "The take {}": "Der Take {0}",
    "What {} has seen of the mesh": "Was {0} vom Mesh gesehen hat",
    "The colour without fill of {} is not in its folder, so it has no strip.": (
        "Die Farbe ohne Füllung von {0} ist nicht in ihrem Ordner, deshalb gibt es keinen Streifen."
    ),
    "Press Preview again.": "Noch einmal auf Vorschau drücken.",
    "The origin of {}": "Die Herkunft von {0}",
    "The preview does not tell where its pixels come from.": "Die Vorschau sagt nicht, woher ihre Pixel kommen.",
}
